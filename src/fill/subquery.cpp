#include "subquery.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/catalog/reading_settings.hpp"
#include "pgeist/ddl/sql_text.hpp"
#include "refuse.hpp"

namespace pgeist::fill {

namespace {

// What the body reads of its arguments (PARAM nodes of kind 0), and whether its value may change.
// Columns of the table itself, or of its partitions, that the body looks up in other rows; a whole row is all of them.
constexpr const char* body_sql = R"(
    SELECT ARRAY(SELECT DISTINCT used[1] FROM regexp_matches(b.tree, ':paramkind 0 :paramid (\d+)', 'g') AS used) AS used,
           EXISTS (SELECT FROM regexp_matches(b.tree, ':(?:funcid|opfuncid) (\d+)', 'g') AS called JOIN pg_proc p ON p.oid = called[1]::oid
                    WHERE p.provolatile = 'v') AS is_volatile,
           b.tree ~ 'SQLVALUEFUNCTION'
           OR EXISTS (SELECT FROM regexp_matches(b.tree, ':funcid (\d+)', 'g') AS called JOIN pg_proc p ON p.oid = called[1]::oid
                       WHERE p.oid < 16384 AND p.proname IN ('now', 'statement_timestamp', 'transaction_timestamp', 'age')) AS follows_clock,
           ARRAY(SELECT DISTINCT a.attname FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum > 0 AND NOT a.attisdropped
                    AND (a.attnum = d.refobjsubid OR (d.refobjsubid = 0 AND b.tree ~ ':varattno 0 '))
                  WHERE d.classid = 'pg_proc'::regclass AND d.objid = b.oid AND d.refclassid = 'pg_class'::regclass
                    AND (d.refobjid = $2::bigint::oid
                         OR d.refobjid IN (SELECT relid FROM pg_partition_tree($2::bigint::oid::regclass))
                         OR d.refobjid IN (SELECT relid FROM pg_partition_ancestors($2::bigint::oid::regclass)))) AS looked_up,
           {} AS calls_by_path
      FROM (SELECT oid, prosqlbody::text AS tree FROM pg_proc WHERE oid = to_regprocedure($1)) AS b)";

/// Those whose names stand in the text: one of a subquery's own may have the same name.
std::vector<const catalog::column*> mentioned(const catalog::table& source, const std::string& text) {
    std::vector<const catalog::column*> found;
    const auto tokens = ddl::sql_text::scan(text);
    for (const auto& column : source.columns) {
        const bool named =
            std::any_of(tokens.begin(), tokens.end(), [&](const auto& token) { return token.word == column.name; });
        if (named) {
            found.push_back(&column);
        }
    }
    return found;
}

awaitable<void> make_body(target::build_context& at, std::string create, std::string what) {
    std::optional<pg::sql_error> failed;
    co_await at.conn.execute(catalog::user_settings(at.conn));
    try {
        co_await at.conn.execute(create);
    } catch (const pg::sql_error& problem) {
        failed = problem;
    }
    if (failed && failed->poisons_connection()) {
        throw *failed;
    }
    if (failed) {
        refuse(fmt::format("{}: {}", what, target::in_user_words(at, failed->diag().message)), failed->diag().hint);
    }
    co_await at.conn.execute(catalog::session_settings(at.conn));
}

}  // namespace

bool has_subquery(const std::string& text) {
    const auto tokens = ddl::sql_text::scan(text);
    return std::any_of(tokens.begin(), tokens.end(),
                       [](const auto& token) { return token.word == "select" && !token.quoted; });
}

awaitable<resolution> resolve_with_subquery(target::build_context& at, std::string text, std::string type,
                                            std::string what, int number) {
    const auto columns = mentioned(at.source, text);
    const qualified_name function{at.job_schema, at.source.name.name};
    std::vector<std::string> arguments;
    std::vector<std::string> types;
    std::vector<std::string> values;
    for (int at_dummy = 1; at_dummy <= number; ++at_dummy) {
        arguments.push_back(fmt::format("pgeist_{} pg_catalog.int4", at_dummy));
        types.emplace_back("pg_catalog.int4");
        values.emplace_back("0");
    }
    for (const catalog::column* each : columns) {
        if (!each->collation.empty()) {
            refuse(fmt::format("{}: column {} has a collation of its own, which a subquery would not see", what,
                               display_identifier(each->name)));
        }
        arguments.push_back(quote_identifier(each->name) + " " + each->type);
        types.push_back(each->type);
        values.push_back(quote_identifier(each->name));
    }
    const std::string signature = fmt::format("{}({})", function.sql(), join(types, ", "));
    co_await make_body(at,
                       fmt::format("CREATE FUNCTION {}({}) RETURNS {} LANGUAGE sql STABLE RETURN ({}\n)",
                                   function.sql(), join(arguments, ", "), type, text),
                       what);
    const std::string reading = fmt::format(fmt::runtime(body_sql), target::calls_by_path("b.tree"));
    const pg::result row = co_await at.conn.query(reading, signature, at.source.oid);
    resolution found;
    found.sql = fmt::format("{}({})", function.sql(), join(values, ", "));
    found.is_volatile = row.boolean(0, "is_volatile");
    found.follows_clock = row.boolean(0, "follows_clock");
    for (const std::string& each : row.array(0, "used")) {
        const std::size_t place = std::stoul(each);
        if (place > static_cast<std::size_t>(number)) {
            found.reads.insert(columns[place - 1 - static_cast<std::size_t>(number)]->name);
        }
    }
    for (const std::string& each : row.array(0, "looked_up")) {
        found.reads.insert(each);
        found.elsewhere.insert(each);
    }
    if (row.boolean(0, "calls_by_path")) {
        co_await at.conn.execute(fmt::format("{}; ALTER FUNCTION {} SET search_path FROM CURRENT; {}",
                                             catalog::user_settings(at.conn), signature,
                                             catalog::session_settings(at.conn)));
    }
    at.finish.push_back({"the function of " + what, "DROP FUNCTION IF EXISTS " + signature});
    co_return found;
}

}  // namespace pgeist::fill
