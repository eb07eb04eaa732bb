#include <algorithm>

#include <fmt/format.h>

#include "pgeist/catalog/reading_settings.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/pg/result.hpp"
#include "pgeist/plan/alter.hpp"
#include "pgeist/target/steps.hpp"
#include "value_function.hpp"

namespace pgeist::target {

std::string calls_by_path(const std::string& tree) {
    return fmt::format(R"(EXISTS (
        SELECT FROM regexp_matches({}, ':(?:funcid|opfuncid) (\d+)', 'g') AS used JOIN pg_proc p ON p.oid = used[1]::oid
          JOIN pg_language l ON l.oid = p.prolang
         WHERE p.oid >= 16384 AND l.lanname NOT IN ('c', 'internal')
           AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS own WHERE own LIKE 'search_path=%')))",
                       tree);
}

namespace {

// The constraint's stored tree names every function by its OID. Values of an expression can be compared later if they
// do not depend on when and where it is evaluated; functions of the user's that are not IMMUTABLE may read anything,
// and of the server's that are not IMMUTABLE those are known not to: they follow settings, which are the run's.
constexpr const char* read_back_sql = R"(
    SELECT pg_get_expr(c.conbin, c.conrelid) AS expression, c.conbin::text ~ ':varattno 0 ' AS whole_row,
           c.conbin::text !~ 'SQLVALUEFUNCTION'
           AND NOT EXISTS (SELECT FROM regexp_matches(c.conbin::text, ':(?:funcid|opfuncid) (\d+)', 'g') AS used
                             JOIN pg_proc p ON p.oid = used[1]::oid
                            WHERE p.provolatile = 'v'
                               OR (p.provolatile = 's' AND (p.oid >= 16384 OR p.proname <> ALL ($2::text[]))))
           AS repeatable,
           EXISTS (SELECT FROM regexp_matches(c.conbin::text, ':(?:funcid|opfuncid) (\d+)', 'g') AS used
                     JOIN pg_proc p ON p.oid = used[1]::oid WHERE p.provolatile = 'v') AS is_volatile,
           c.conbin::text ~ 'SQLVALUEFUNCTION'
           OR EXISTS (SELECT FROM regexp_matches(c.conbin::text, ':(?:funcid|opfuncid) (\d+)', 'g') AS used
                        JOIN pg_proc p ON p.oid = used[1]::oid
                       WHERE p.provolatile = 's' AND p.oid < 16384 AND p.proname <> ALL ($2::text[])) AS follows_clock,
           {open_functions} AS open_functions, {built_in} AS built_in,
           {follows_path} AS follows_path, {calls_by_path} AS calls_by_path
      FROM pg_constraint c WHERE c.conrelid = to_regclass($1) AND c.conname = 'pgeist_expression')";

// Values of the reg types are written, and read, as the search_path says, and names are quoted as quote_all_identifiers
// says. A constant that is only handed to a function, as in nextval('numbers'::regclass), is neither.
constexpr const char* follows_path_sql = R"(
    ({tree} ~ ':(vartype|funcresulttype|resulttype|casetype|coalescetype|element_typeid) ({types}) '
     OR {tree} ~ 'COERCEVIAIO :arg .CONST :consttype ({types}) '
     OR EXISTS (SELECT FROM regexp_matches({tree}, ':funcid (\d+)', 'g') AS used JOIN pg_proc p ON p.oid = used[1]::oid
                 WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname IN ('quote_ident', 'format')
                   AND (SELECT reset_val FROM pg_settings WHERE name = 'quote_all_identifiers') = 'on')))";

/// regproc, regprocedure, regoper, regoperator, regclass, regtype, regrole, regnamespace, regconfig, regdictionary,
/// regcollation, and the arrays of those.
constexpr const char* reg_types =
    "24|2202|2203|2204|2205|2206|4096|4089|3734|3769|4191|1008|2207|2208|2209|2210|2211|4097|4090|3735|3770|4192";

/// STABLE functions of the server whose value depends on their arguments and on settings alone.
const std::vector<std::string>& repeatable_functions() {
    static const std::vector<std::string> names{
        // clang-format off
        "anytextcat", "textanycat", "array_to_json", "array_to_string", "concat", "concat_ws", "format",
        "convert", "convert_from", "convert_to", "length", "quote_literal", "quote_nullable",
        "date", "date_part", "date_trunc", "extract", "make_timestamptz", "overlaps", "time", "timestamp", "timestamptz",
        "date_cmp_timestamptz", "date_eq_timestamptz", "date_ge_timestamptz", "date_gt_timestamptz",
        "date_le_timestamptz", "date_lt_timestamptz", "date_ne_timestamptz",
        "timestamp_cmp_timestamptz", "timestamp_eq_timestamptz", "timestamp_ge_timestamptz", "timestamp_gt_timestamptz",
        "timestamp_le_timestamptz", "timestamp_lt_timestamptz", "timestamp_ne_timestamptz",
        "timestamptz_cmp_date", "timestamptz_eq_date", "timestamptz_ge_date", "timestamptz_gt_date",
        "timestamptz_le_date", "timestamptz_lt_date", "timestamptz_ne_date",
        "timestamptz_cmp_timestamp", "timestamptz_eq_timestamp", "timestamptz_ge_timestamp", "timestamptz_gt_timestamp",
        "timestamptz_le_timestamp", "timestamptz_lt_timestamp", "timestamptz_ne_timestamp",
        "interval_pl_timestamptz", "timestamptz_mi_interval", "timestamptz_pl_interval",
        "json_build_array", "json_build_object", "jsonb_build_array", "jsonb_build_object", "row_to_json", "to_json",
        "to_jsonb", "json_populate_record", "jsonb_populate_record", "json_to_tsvector", "jsonb_to_tsvector",
        "jsonb_path_exists_tz", "jsonb_path_match_tz", "jsonb_path_query_array_tz", "jsonb_path_query_first_tz",
        "money", "numeric", "to_char", "to_date", "to_number", "to_timestamp", "xml", "xml_is_well_formed",
        "phraseto_tsquery", "plainto_tsquery", "to_tsquery", "to_tsvector", "ts_headline", "websearch_to_tsquery",
        // clang-format on
    };
    return names;
}

std::string read_back() {
    const std::string tree = "c.conbin::text";
    const std::string follows_path =
        fmt::format(follows_path_sql, fmt::arg("tree", tree), fmt::arg("types", reg_types));
    return fmt::format(read_back_sql, fmt::arg("open_functions", catalog::open_functions_sql(tree)),
                       fmt::arg("built_in", catalog::built_in_sql(tree)), fmt::arg("follows_path", follows_path),
                       fmt::arg("calls_by_path", calls_by_path(tree)));
}

constexpr const char* suffix = " IS NOT NULL)";

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
        if (into.sql.find(quote_identifier(column_placeholder(place))) == std::string::npos) {
            continue;
        }
        if (columns[place].sql.empty()) {
            refuse_unknown_column(what, columns[place].name);
        }
        into.reads.insert(columns[place].reads.begin(), columns[place].reads.end());
        replace_columns(into.sql, place, columns[place].sql);
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

awaitable<void> add_probe_constraint(build_context& at, qualified_name probe, std::string text, std::string what) {
    std::optional<pg::sql_error> failed;
    co_await at.conn.execute(catalog::user_settings(at.conn));
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

namespace {

/// Whether the text, read with our search_path, uses the operators of the tree it was printed from.
awaitable<bool> means_the_same(build_context& at, qualified_name probe, probed_expression from) {
    const std::string name = "pgeist_again";
    bool same = false;
    co_await begin_trial(at);
    std::optional<pg::sql_error> failed;
    try {
        co_await at.conn.execute(
            fmt::format("ALTER TABLE {} ADD CONSTRAINT {} CHECK ({} IS NOT NULL)", probe.sql(), name, from.text));
    } catch (const pg::sql_error& problem) {
        failed = problem;
    }
    if (failed && failed->poisons_connection()) {
        throw *failed;
    }
    if (!failed) {
        const auto again = co_await catalog::read_operators(at.conn, catalog::trees::of_constraint(probe, name));
        same = catalog::other_operators(from.operators, again).empty();
    }
    co_await undo_trial(at);
    co_return same;
}

awaitable<void> make_function(build_context& at, value_function of, catalog::used_operators wanted, std::string what) {
    co_await run_statements(at, of.create);
    const auto made = co_await catalog::read_operators(at.conn, catalog::trees::of_function(of.signature));
    auto others = catalog::other_operators(wanted, made);
    if (!others.empty()) {
        const std::string names = co_await catalog::operator_names(at.conn, std::move(others));
        throw error(exit_code::refused,
                    fmt::format("{}: read again from its text it would not mean the same: {}", what, names));
    }
    at.finish.push_back(of.drop);
}

}  // namespace

void refuse_unknown_column(const std::string& what, const std::string& column) {
    throw error(exit_code::refused,
                fmt::format("{} uses column {}, which the old rows do not have or the new ones will not", what,
                            display_identifier(column)));
}

awaitable<resolved> resolve_expression(build_context& at, qualified_name like, std::vector<known_column> columns,
                                       std::string text, std::string what) {
    resolved found;
    // Named as the user's table, so that `orders.total` means what the user means.
    const qualified_name probe{at.passage_schema, at.source.name.name};
    co_await begin_trial(at);
    co_await at.conn.execute(fmt::format("CREATE TABLE {} (LIKE {})", probe.sql(), like.sql()));
    co_await add_probe_constraint(at, probe, text, what);
    // The columns get names that cannot stand for anything else in the text that is read back.
    for (std::size_t place = 0; place < columns.size(); ++place) {
        co_await at.conn.execute(fmt::format("ALTER TABLE {} RENAME COLUMN {} TO {}", probe.sql(),
                                             quote_identifier(columns[place].name),
                                             quote_identifier(column_placeholder(place))));
    }
    const std::string functions = pg::array_literal(repeatable_functions());
    const auto rows = co_await at.conn.query(read_back(), probe.sql(), functions);
    probed_expression read;
    read.text = inner(rows.text(0, "expression"));
    read.whole_row = rows.boolean(0, "whole_row");
    read.operators =
        co_await catalog::read_operators(at.conn, catalog::trees::of_constraint(probe, "pgeist_expression"));
    found.repeatable = rows.boolean(0, "repeatable");
    found.is_volatile = rows.boolean(0, "is_volatile");
    found.follows_clock = rows.boolean(0, "follows_clock");
    const auto& own = at.source.columns;
    read.follows_path = rows.boolean(0, "follows_path") || (at.keeps_path && rows.boolean(0, "calls_by_path")) ||
                        (read.whole_row &&
                         std::any_of(own.begin(), own.end(), [](const auto& each) { return is_of_names(each.type); }));
    bool by_text = false;
    // The text is read in each session of the run: others could make functions meanwhile that fit it better.
    if (!read.whole_row && !read.follows_path && !rows.boolean(0, "open_functions")) {
        by_text = co_await means_the_same(at, probe, read);
    }
    found.built_in = by_text && rows.boolean(0, "built_in");
    value_function function;
    if (!by_text) {
        function = co_await make_value_function(at, probe, read, columns, what);
    }
    co_await undo_trial(at);
    if (by_text) {
        found.sql = read.text;
        put_in_columns(found, columns, what);
        co_return found;
    }
    co_await make_function(at, function, read.operators, what);
    found.sql = function.call;
    found.reads = function.reads;
    co_return found;
}

namespace {

/// The value of `expression` for a column of this type, as an SQL literal. Read with `settings`.
awaitable<std::string> evaluate_once(build_context& at, catalog::column column, std::string expression,
                                     std::string settings) {
    const std::string collation = column.collation.empty() ? "" : " COLLATE " + column.collation;
    const qualified_name probe{at.passage_schema, "pgeist_default"};
    std::string literal = fmt::format("CAST(NULL AS {})", column.type);
    co_await begin_trial(at);
    co_await at.conn.execute(std::move(settings));
    co_await at.conn.execute(
        fmt::format("CREATE TABLE {} (value {}{} DEFAULT {})", probe.sql(), column.type, collation, expression));
    co_await at.conn.execute(fmt::format("INSERT INTO {} DEFAULT VALUES", probe.sql()));
    co_await at.conn.execute(catalog::reading_settings);
    // format() uses the type's output function, as a cast to text need not.
    const auto rows = co_await at.conn.query(
        fmt::format("SELECT format('%s', value), value IS NOT DISTINCT FROM NULL FROM {}", probe.sql()));
    if (!rows.boolean(0, 1)) {
        literal = fmt::format("CAST({} AS {})", quote_literal(rows.view(0, 0)), column.type);
    }
    co_await undo_trial(at);
    co_return literal;
}

}  // namespace

awaitable<std::string> evaluate_literal(build_context& at, catalog::column column, std::string text, std::string what) {
    std::optional<pg::sql_error> failed;
    std::string literal;
    try {
        literal = co_await evaluate_once(at, std::move(column), std::move(text), catalog::user_settings(at.conn));
    } catch (const pg::sql_error& problem) {
        failed = problem;
    }
    if (failed && failed->poisons_connection()) {
        throw *failed;
    }
    if (failed) {
        throw error(exit_code::refused, fmt::format("{}: {}", what, in_user_words(at, failed->diag().message)),
                    failed->diag().hint);
    }
    co_return literal;
}

awaitable<std::string> evaluate_default(build_context& at, catalog::column column) {
    std::string literal;
    if (column.missing_value) {
        literal = fmt::format("CAST({} AS {})", quote_literal(*column.missing_value), column.type);
        co_return literal;
    }
    std::string expression = column.default_expression.value_or("NULL");
    literal = co_await evaluate_once(at, std::move(column), std::move(expression), catalog::reading_settings);
    co_return literal;
}

}  // namespace pgeist::target
