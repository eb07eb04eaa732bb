#include "facts.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/ddl/lexer.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/probe/read_schema.hpp"
#include "pgeist/probe/trial.hpp"

namespace pgeist::steps {

namespace {

/// `"$user"` is whoever plans, also when another role resumes.
std::string path_of(const std::string& search_path, const std::string& role) {
    std::string path;
    for (const ddl::token& each : ddl::tokens_of(search_path)) {
        const std::string text = search_path.substr(each.begin, each.end - each.begin);
        const bool user = text == "\"$user\"" || text == "$user";
        path += each.is_sign(',') ? ", " : user ? quote_identifier(role) : text;
    }
    return path;
}

awaitable<void> read_server(pg::connection& session, facts& known) {
    known.shown = co_await read_paces(session);
    std::vector<std::string>& into = known.search_path;
    co_await session.execute("SET LOCAL search_path TO DEFAULT");
    const auto rows = co_await session.query("SELECT pg_catalog.current_schemas(false)");
    into = rows.array(0, 0);
    std::erase(into, "pg_catalog");
    for (const char* name : settings_of_user) {
        co_await session.execute(fmt::format("SET LOCAL {} TO DEFAULT", name));
    }
    const std::vector<std::string> all(settings_of_user.begin(), settings_of_user.end());
    const std::string names = pg::array_literal(all);
    const pg::result now = co_await session.query(
        "SELECT name, current_setting(name), current_user FROM unnest($1::text[]) AS name", names);
    known.session.emplace_back("role", now.text(0, 2));
    for (int row = 0; row < now.rows(); ++row) {
        const std::string name = now.text(row, 0);
        const std::string value = now.text(row, 1);
        known.session.emplace_back(name, name == "search_path" ? path_of(value, now.text(row, 2)) : value);
    }
}

using session_settings = std::vector<std::pair<std::string, std::string>>;

/// Statements that follow each other under the same settings.
struct batch {
    session_settings settings;
    std::vector<std::size_t> places;
    std::vector<std::string> statements;
};

/// The plain twin of a statement that makes its own transactions: what is wrong with it is wrong with that.
std::string without_concurrently(const ddl::statement& what) {
    std::string text;
    std::size_t done = 0;
    for (const ddl::token& each : ddl::tokens_of(what.text)) {
        if (each.is("concurrently")) {
            text += what.text.substr(done, each.begin - done);
            done = each.end;
        }
    }
    return text + what.text.substr(done);
}

/// Rows are not there to be changed, and what changes them makes nothing that a later definition needs.
bool is_tried(const ddl::statement& what) {
    using kind = ddl::statement_kind;
    switch (what.kind) {
        case kind::insert:
        case kind::update:
        case kind::remove:
        case kind::merge:
        case kind::copy:
        case kind::begin:
        case kind::commit:
        case kind::set:
        case kind::reset:
        case kind::vacuum:
        case kind::analyze:
        case kind::refresh:
        case kind::grant:
        case kind::repack:
        case kind::perform:
        case kind::call:
        case kind::select:
        case kind::meta_command:
            return false;
        case kind::reindex:
            return !what.concurrently;
        default:
            return true;
    }
}

bool has_twin(const ddl::statement& what) {
    return what.concurrently && (what.kind == ddl::statement_kind::create_index ||
                                 (what.kind == ddl::statement_kind::drop && what.object == ddl::object_kind::index));
}

/// What it makes nobody knows before it has run.
bool is_opaque(const ddl::statement& what) {
    using kind = ddl::statement_kind;
    return what.kind == kind::create_extension || what.kind == kind::not_understood ||
           (what.kind == kind::select && runs_code(what)) || what.kind == kind::perform || what.kind == kind::call;
}

/// Definitions are tried as the role that the stand-ins belong to.
session_settings without_role(session_settings all) {
    std::erase_if(all, [](const auto& each) { return each.first == "role" || each.first == "session_authorization"; });
    return all;
}

std::vector<batch> batches_of(const question& asked, const std::vector<part>& parts) {
    std::vector<batch> all;
    for (std::size_t place = 0; place < parts.size(); ++place) {
        const ddl::statement& what = parts[place].what;
        if (!is_tried(what)) {
            continue;
        }
        const session_settings settings = without_role(asked.statements[parts[place].of].session);
        if (all.empty() || all.back().settings != settings) {
            all.emplace_back().settings = settings;
        }
        all.back().places.push_back(place);
        all.back().statements.push_back(has_twin(what) ? without_concurrently(what) : what.text);
    }
    return all;
}

}  // namespace

bool runs_code(const ddl::statement& what) {
    using kind = ddl::statement_kind;
    return what.kind == kind::perform || what.kind == kind::call ||
           !std::all_of(what.functions.begin(), what.functions.end(), probe::is_own_function);
}

awaitable<facts> read_facts(pg::connection& session, const question& asked) {
    facts known;
    known.version.major = session.server_major();
    known.version.minor = session.server_version() % 10000;
    const auto reading = [&] { return read_server(session, known); };
    co_await pg::rolled_back(session, reading);
    std::vector<std::string> texts;
    for (const written_statement& each : asked.statements) {
        texts.push_back(each.text);
    }
    known.before = co_await probe::read_schema(session, std::move(texts), known.search_path);
    co_return known;
}

awaitable<void> judge_parts(pg::connection& session, const question& asked, const facts& known,
                            std::vector<part>& parts) {
    std::vector<probe::server_answer> said(parts.size());
    const auto opaque = std::find_if(parts.begin(), parts.end(), [](const part& each) { return is_opaque(each.what); });
    const auto first_opaque = static_cast<std::size_t>(opaque - parts.begin());
    bool after_others = false;
    for (const batch& each : batches_of(asked, parts)) {
        probe::trial_options options;
        options.settings = each.settings;
        const auto answers = co_await probe::try_statements(session, each.statements, options);
        for (std::size_t at = 0; at < answers.size(); ++at) {
            probe::server_answer& into = said[each.places[at]];
            // What it lacks may have been made in a trial before, or by code.
            const auto& fails = answers[at].found.fails;
            const bool unsure = after_others || each.places[at] > first_opaque;
            if (!answers[at].tried || (unsure && fails && fails->sqlstate.starts_with("42"))) {
                continue;
            }
            if (has_twin(parts[each.places[at]].what)) {
                into.fails = answers[at].found.fails;
                continue;
            }
            into.tried = answers[at].found;
            into.locked_before = answers[at].locked_before;
        }
        after_others = true;
    }
    probe::schema now = known.before;
    now.begin_file();
    std::size_t number = 0;
    for (std::size_t place = 0; place < parts.size(); ++place) {
        part& each = parts[place];
        now.begin_transaction(++number);
        each.by_rules = probe::static_effect(each.what, now, known.version);
        each.before = now;
        each.does = probe::combine(each.what, each.by_rules, said[place], now);
        correct(each.does, known.shown.of(each.does));
        now.apply(each.what);
    }
}

}  // namespace pgeist::steps
