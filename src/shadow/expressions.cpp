#include <algorithm>

#include <fmt/format.h>

#include "pgeist/catalog/reading_settings.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/plan/alter.hpp"
#include "steps.hpp"

namespace pgeist::shadow {

namespace {

// The constraint's stored tree names every function by its OID. Values of an expression can be compared later if they
// do not depend on when and where it is evaluated; functions of the user's that are not IMMUTABLE may read anything.
constexpr const char* read_back_sql = R"(
    SELECT pg_get_expr(c.conbin, c.conrelid) AS expression,
           c.conbin::text !~ 'SQLVALUEFUNCTION'
           AND NOT EXISTS (SELECT FROM regexp_matches(c.conbin::text, ':(?:funcid|opfuncid) (\d+)', 'g') AS used
                             JOIN pg_proc p ON p.oid = used[1]::oid
                            WHERE p.provolatile = 'v' OR (p.provolatile = 's' AND (p.oid >= 16384 OR p.proname IN (
                                  'now', 'transaction_timestamp', 'statement_timestamp', 'age', 'txid_current',
                                  'txid_current_if_assigned', 'txid_current_snapshot', 'pg_current_xact_id',
                                  'pg_current_xact_id_if_assigned', 'pg_current_snapshot', 'current_setting'))))
           AS repeatable
      FROM pg_constraint c WHERE c.conrelid = to_regclass($1) AND c.conname = 'pgeist_expression')";

constexpr const char* suffix = " IS NOT NULL)";

std::string placeholder(std::size_t place) { return fmt::format("pgeist:column:{}", place); }

/// The expression inside `(… IS NOT NULL)`.
std::string inner(const std::string& printed) {
    const std::string tail = suffix;
    if (printed.size() < tail.size() + 1 || printed.front() != '(' ||
        printed.substr(printed.size() - tail.size()) != tail) {
        throw error(exit_code::failed, fmt::format("cannot read back the expression {}", printed));
    }
    return printed.substr(1, printed.size() - tail.size() - 1);
}

void put_in_columns(resolved& into, const std::vector<known_column>& columns, const std::string& what) {
    for (std::size_t place = 0; place < columns.size(); ++place) {
        const std::string wanted = quote_identifier(placeholder(place));
        auto found = into.sql.find(wanted);
        if (found != std::string::npos && columns[place].sql.empty()) {
            throw error(exit_code::refused,
                        fmt::format("{} uses column {}, which the old rows do not have or the new ones will not", what,
                                    display_identifier(columns[place].name)));
        }
        if (found != std::string::npos) {
            into.reads.insert(columns[place].reads.begin(), columns[place].reads.end());
        }
        for (; found != std::string::npos; found = into.sql.find(wanted, found + columns[place].sql.size())) {
            into.sql.replace(found, wanted.size(), columns[place].sql);
        }
    }
}

/// The server speaks of the check constraint that the expression was put into.
std::string about_expression(std::string message) {
    for (const std::string wrong : {"check constraints", "check constraint"}) {
        const auto found = message.find(wrong);
        if (found != std::string::npos) {
            return message.replace(found, wrong.size(), "this expression");
        }
    }
    return message;
}

awaitable<void> add_probe_constraint(site& at, qualified_name probe, std::string text, std::string what) {
    std::optional<pg::sql_error> failed;
    co_await at.conn.execute(catalog::user_settings);
    try {
        // The line break ends a comment at the end of the user's text.
        co_await at.conn.execute(fmt::format(
            "ALTER TABLE {} ADD CONSTRAINT pgeist_expression CHECK (({}\n) IS NOT NULL)", probe.sql(), text));
    } catch (const pg::sql_error& problem) {
        failed = problem;
    }
    if (failed && failed->poisons_connection()) {
        throw *failed;
    }
    if (failed) {
        throw error(exit_code::refused,
                    fmt::format("{}: {}", what, about_expression(in_user_words(at, failed->diag().message))),
                    failed->diag().hint);
    }
    co_await at.conn.execute(catalog::reading_settings);
}

}  // namespace

awaitable<resolved> resolve_expression(site& at, qualified_name like, std::vector<known_column> columns,
                                       std::string text, std::string what) {
    resolved found;
    // A bare literal takes the type of the column it goes into; in any other place it would become text.
    if (plan::is_bare_literal(text)) {
        found.sql = text;
        co_return found;
    }
    // Named as the user's table, so that `orders.total` means what the user means.
    const qualified_name probe{at.passage_schema, at.source.name.name};
    co_await begin_trial(at);
    co_await at.conn.execute(fmt::format("CREATE TABLE {} (LIKE {})", probe.sql(), like.sql()));
    co_await add_probe_constraint(at, probe, text, what);
    // The columns get names that cannot stand for anything else in the text that is read back.
    for (std::size_t place = 0; place < columns.size(); ++place) {
        co_await at.conn.execute(fmt::format("ALTER TABLE {} RENAME COLUMN {} TO {}", probe.sql(),
                                             quote_identifier(columns[place].name),
                                             quote_identifier(placeholder(place))));
    }
    const auto rows = co_await at.conn.query(read_back_sql, probe.sql());
    found.sql = inner(rows.text(0, "expression"));
    found.repeatable = rows.boolean(0, "repeatable");
    co_await undo_trial(at);
    put_in_columns(found, columns, what);
    co_return found;
}

awaitable<std::string> evaluate_default(site& at, catalog::column column) {
    const std::string collation = column.collation.empty() ? "" : " COLLATE " + column.collation;
    const qualified_name probe{at.passage_schema, "pgeist_default"};
    const std::string type = column.type;
    std::string literal = fmt::format("CAST(NULL AS {})", type);
    if (column.missing_value) {
        literal = fmt::format("CAST({} AS {})", quote_literal(*column.missing_value), type);
        co_return literal;
    }
    co_await begin_trial(at);
    co_await at.conn.execute(catalog::reading_settings);
    co_await at.conn.execute(fmt::format("CREATE TABLE {} (value {}{} DEFAULT {})", probe.sql(), type, collation,
                                         column.default_expression.value_or("NULL")));
    co_await at.conn.execute(fmt::format("INSERT INTO {} DEFAULT VALUES", probe.sql()));
    // format() uses the type's output function, as a cast to text need not.
    const auto rows = co_await at.conn.query(
        fmt::format("SELECT format('%s', value), value IS NOT DISTINCT FROM NULL FROM {}", probe.sql()));
    if (!rows.boolean(0, 1)) {
        literal = fmt::format("CAST({} AS {})", quote_literal(rows.view(0, 0)), type);
    }
    co_await undo_trial(at);
    co_return literal;
}

}  // namespace pgeist::shadow
