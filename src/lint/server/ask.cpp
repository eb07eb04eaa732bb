#include "pgeist/lint/ask.hpp"

#include <fmt/format.h>

#include "parts.hpp"
#include "pgeist/core/identifier.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/probe/read_schema.hpp"

namespace pgeist::lint {

namespace {

std::vector<std::string> texts_of(const std::vector<ddl::migration>& migrations) {
    std::vector<std::string> texts;
    for (const ddl::migration& file : migrations) {
        for (const ddl::step& each : file.steps) {
            texts.push_back(each.what.text);
        }
    }
    return texts;
}

awaitable<void> read_path(pg::connection& session, std::vector<std::string>& into) {
    co_await session.execute("SET LOCAL search_path TO DEFAULT");
    const auto rows = co_await session.query("SELECT pg_catalog.current_schemas(false)");
    into = rows.array(0, 0);
    std::erase(into, "pg_catalog");
}

/// A body in dollar quotes that it does not have itself.
std::string in_dollars(const std::string& text) {
    std::string tag = "$pgeist";
    while (text.find(tag) != std::string::npos) {
        tag += "x";
    }
    tag += "$";
    return tag + text + tag;
}

awaitable<void> read_block(pg::connection& session, std::string block) {
    co_await session.execute("SET LOCAL statement_timeout TO '10s'; SET LOCAL check_function_bodies TO on");
    co_await session.execute("DO LANGUAGE plpgsql " + block);
}

/// A block that returns before the statement: the server reads it and does nothing.
awaitable<void> let_server_read(pg::connection& session, std::string statement, answer& into) {
    const std::string block = in_dollars("BEGIN RETURN; " + statement + "; END");
    const auto reading = [&] { return read_block(session, block); };
    try {
        co_await pg::rolled_back(session, reading);
        into.accepted = true;
    } catch (const pg::sql_error& problem) {
        if (problem.poisons_connection()) {
            throw;
        }
        constexpr const char* syntax_error = "42601";
        if (problem.is(syntax_error)) {
            into.accepted = false;
            into.rejected = problem.diag().message;
        }
    }
}

awaitable<void> read_unread(pg::connection& session, const ddl::migration& file, std::vector<answer>& into) {
    for (std::size_t at = 0; at < file.steps.size(); ++at) {
        const ddl::statement& what = file.steps[at].what;
        if (!what.parse_error.empty() && what.kind != ddl::statement_kind::meta_command) {
            co_await let_server_read(session, what.text, into[at]);
        }
    }
}

/// Without them the rules answer as without a connection.
awaitable<void> read_catalogs(pg::connection& session, std::vector<std::string> texts, std::vector<std::string> path,
                              server_facts& into) {
    try {
        into.schema = co_await probe::read_schema(session, std::move(texts), std::move(path));
    } catch (const pg::sql_error& problem) {
        if (problem.poisons_connection()) {
            throw;
        }
        into.nothing_tried = "its catalogs cannot be read: " + problem.diag().message;
    }
}

awaitable<void> simulate_all(pg::connection& session, const std::vector<source>& files,
                             const std::vector<ddl::migration>& migrations, answers& into) {
    for (std::size_t first = 0; first < files.size() && into.server.nothing_tried.empty();) {
        std::size_t last = first + 1;
        while (last < files.size() && !files[last].begins_simulation) {
            ++last;
        }
        co_await simulate(session, files, migrations, first, last, into);
        first = last;
    }
}

}  // namespace

awaitable<answers> ask(pg::connection& session, const std::vector<source>& files,
                       const std::vector<ddl::migration>& migrations, settings& options) {
    answers made;
    options.server.major = session.server_major();
    options.server.minor = session.server_version() % 10000;
    made.server.address = session.describe();
    std::vector<std::string> path;
    const auto reading = [&] { return read_path(session, path); };
    co_await pg::rolled_back(session, reading);
    co_await look_around(session, made.server);
    co_await read_catalogs(session, texts_of(migrations), path, made.server);
    co_await look_at_others(session, made.server);
    for (const ddl::migration& file : migrations) {
        made.of_files.emplace_back(file.steps.size());
        co_await read_unread(session, file, made.of_files.back());
    }
    if (made.server.nothing_tried.empty()) {
        co_await simulate_all(session, files, migrations, made);
    }
    co_return made;
}

}  // namespace pgeist::lint
