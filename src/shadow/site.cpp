#include "steps.hpp"

#include <fmt/format.h>

#include "pgeist/core/error.hpp"

namespace pgeist::shadow {

namespace {

void replace_all(std::string& text, const std::string& from, const std::string& to) {
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
        text.replace(at, from.size(), to);
    }
}

}  // namespace

site::site(pg::connection& connection, const catalog::table& table, const plan::change_request& request,
           std::int64_t job)
    : conn(connection),
      source(table),
      change(request),
      job_schema(fmt::format("pgeist_{}", job)),
      passage_schema(fmt::format("pgeist_{}_old", job)),
      shadow{job_schema, table.name.name} {}

const catalog::column* kept_column(const site& at, const catalog::table& after, int attnum) {
    for (const auto& [shadow, source] : at.source_attnums) {
        if (source == attnum) {
            return after.find_column(shadow);
        }
    }
    return nullptr;
}

awaitable<void> run_statements(site& at, std::vector<plan::statement> statements) {
    at.made.insert(at.made.end(), statements.begin(), statements.end());
    for (const auto& each : statements) {
        std::optional<pg::sql_error> failed;
        try {
            co_await at.conn.execute(each.sql);
        } catch (const pg::sql_error& problem) {
            failed = problem;
        }
        if (failed && failed->poisons_connection()) {
            throw *failed;
        }
        if (failed) {
            throw error(exit_code::refused,
                        fmt::format("cannot rebuild {} on a copy of {}: {}", each.label, at.source.name.display(),
                                    in_user_words(at, failed->diag().message)),
                        failed->diag().hint);
        }
    }
}

awaitable<void> begin_trial(site& at) { co_await at.conn.execute("SAVEPOINT pgeist_trial"); }

awaitable<void> undo_trial(site& at) {
    co_await at.conn.execute("ROLLBACK TO SAVEPOINT pgeist_trial; RELEASE SAVEPOINT pgeist_trial");
}

awaitable<std::int64_t> table_oid(pg::connection& conn, qualified_name name) {
    const auto rows = co_await conn.query("SELECT to_regclass($1)::oid", name.sql());
    co_return rows.integer(0, 0);
}

std::string in_user_words(const site& at, const std::string& message) {
    std::string text = message;
    replace_all(text, at.passage_schema + ".", "");
    replace_all(text, at.job_schema + ".", "");
    replace_all(text, "\n", "; ");
    return text;
}

}  // namespace pgeist::shadow
