#include <fmt/format.h>

#include "pgeist/catalog/reader.hpp"
#include "pgeist/catalog/reading_settings.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/target/steps.hpp"

namespace pgeist::target {

namespace {

/// A REFERENCES of the clause leads to the stand-in of the table that the user means.
awaitable<std::string> with_stand_ins(build_context& at, const plan::clause& clause) {
    std::string text = clause.text;
    for (auto reference = clause.references.rbegin(); reference != clause.references.rend(); ++reference) {
        const auto found = co_await catalog::find_table(at.conn, reference->table);
        if (!found) {
            throw error(exit_code::refused,
                        fmt::format("{}: relation {} does not exist", clause.text, reference->table.display()));
        }
        qualified_name name = at.shadow;
        if (found->oid != at.source.oid) {
            const auto other = co_await stand_in_for(at, found->oid);
            name = other.name;
        }
        text.replace(reference->begin, reference->end - reference->begin, name.sql());
    }
    co_return text;
}

awaitable<void> allow_new_owner(build_context& at, const plan::clause& clause) {
    if (clause.kind == plan::clause_kind::change_owner && !clause.new_name.empty()) {
        co_await at.conn.execute(fmt::format("GRANT USAGE, CREATE ON SCHEMA {} TO {}", quote_identifier(at.job_schema),
                                             quote_identifier(clause.new_name)));
    }
}

}  // namespace

awaitable<std::optional<pg::sql_error>> try_alter(build_context& at, plan::alter_statement alter) {
    for (auto& clause : alter.clauses) {
        co_await allow_new_owner(at, clause);
        clause.text = co_await with_stand_ins(at, clause);
    }
    std::optional<pg::sql_error> failed;
    co_await at.conn.execute("SAVEPOINT pgeist_clause");
    co_await at.conn.execute(catalog::user_settings(at.conn));
    try {
        co_await at.conn.execute(plan::alter_sql(at.shadow.sql(), alter));
    } catch (const pg::sql_error& problem) {
        failed = problem;
    }
    if (failed && failed->poisons_connection()) {
        throw *failed;
    }
    if (failed) {
        co_await at.conn.execute("ROLLBACK TO SAVEPOINT pgeist_clause");
    }
    co_await at.conn.execute("RELEASE SAVEPOINT pgeist_clause");
    co_await at.conn.execute(catalog::session_settings(at.conn));
    co_return failed;
}

}  // namespace pgeist::target
