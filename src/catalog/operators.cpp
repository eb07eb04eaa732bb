#include "pgeist/catalog/operators.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "pgeist/pg/result.hpp"
#include "readers.hpp"

namespace pgeist::catalog {

namespace {

// Found by name there: operators, and functions of which there is one in pg_catalog, whose arguments may fit less well.
constexpr const char* strangers_sql = R"(
    SELECT DISTINCT quote_ident(pg_get_userbyid(owner)) AS owner
      FROM (SELECT o.oprowner FROM pg_operator o WHERE o.oprnamespace = to_regnamespace($1)
             UNION ALL
            SELECT p.proowner FROM pg_proc p WHERE p.pronamespace = to_regnamespace($1)
               AND p.proname IN (SELECT b.proname FROM pg_proc b WHERE b.pronamespace = 'pg_catalog'::regnamespace)
           ) AS all_of_them(owner)
      JOIN pg_roles r ON r.oid = owner
     WHERE NOT r.rolsuper AND r.rolname NOT IN (current_user, $2)
       AND owner NOT IN (SELECT nspowner FROM pg_namespace WHERE oid = to_regnamespace($1)
                          UNION ALL SELECT datdba FROM pg_database WHERE datname = current_database())
     ORDER BY 1)";

constexpr const char* names_sql = R"(
    SELECT CASE substr(used, 1, 1) WHEN 'o' THEN 'operator ' || substr(used, 2)::oid::regoperator::text
                WHEN 'f' THEN 'function ' || substr(used, 2)::oid::regprocedure::text
                ELSE 'collation ' || substr(used, 2)::oid::regcollation::text END
      FROM unnest($1::text[]) WITH ORDINALITY AS each(used, place) ORDER BY place)";

constexpr std::int64_t first_of_users = 16384;  // lower OIDs are the server's own

std::vector<std::string> of_users(const used_operators& of) {
    std::vector<std::string> oids;
    std::copy_if(of.oids.begin(), of.oids.end(), std::back_inserter(oids), is_of_users);
    return oids;
}

std::string regclass(const qualified_name& name) { return quote_literal(name.sql()) + "::regclass"; }

}  // namespace

bool is_of_users(const std::string& oid) { return oid.front() != 'c' && std::stoll(oid.substr(1)) >= first_of_users; }

namespace trees {

std::string of_view(const qualified_name& view) {
    return fmt::format("(SELECT ev_action::text FROM pg_rewrite WHERE ev_class = {} AND rulename = '_RETURN')",
                       regclass(view));
}

std::string of_rule(const qualified_name& table, const std::string& rule) {
    return fmt::format(
        "(SELECT concat(ev_qual::text, ev_action::text) FROM pg_rewrite WHERE ev_class = {} AND "
        "rulename = {})",
        regclass(table), quote_literal(rule));
}

std::string of_policy(const qualified_name& table, const std::string& policy) {
    return fmt::format(
        "(SELECT concat(polqual::text, polwithcheck::text) FROM pg_policy WHERE polrelid = {} AND polname = {})",
        regclass(table), quote_literal(policy));
}

std::string of_default(const qualified_name& table, const std::string& column) {
    return fmt::format(
        "(SELECT d.adbin::text FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND "
        "a.attnum = d.adnum WHERE d.adrelid = {} AND a.attname = {})",
        regclass(table), quote_literal(column));
}

std::string of_trigger(const qualified_name& table, const std::string& trigger) {
    return fmt::format("(SELECT tgqual::text FROM pg_trigger WHERE tgrelid = {} AND tgname = {})", regclass(table),
                       quote_literal(trigger));
}

std::string of_function(const std::string& signature) {
    return fmt::format(
        "(SELECT concat(proargdefaults::text, prosqlbody::text) FROM pg_proc WHERE oid = {}::regprocedure)",
        quote_literal(signature));
}

std::string of_constraint(const qualified_name& table, const std::string& constraint) {
    return fmt::format("(SELECT conbin::text FROM pg_constraint WHERE conrelid = {} AND conname = {})", regclass(table),
                       quote_literal(constraint));
}

std::string of_index(const qualified_name& index) {
    return fmt::format("(SELECT concat(indexprs::text, indpred::text) FROM pg_index WHERE indexrelid = {})",
                       regclass(index));
}

}  // namespace trees

std::string used_operators_sql(const std::string& tree) {
    // Names in a tree have their blanks escaped: nothing else looks like this. A list of operators is `(o 96 97)`.
    return fmt::format(R"(ARRAY(
        SELECT CASE used[1] WHEN 'opno' THEN 'o' WHEN 'opnos (o' THEN 'o' WHEN 'inputcollid' THEN 'c' ELSE 'f' END || one
          FROM regexp_matches({}, ':(opno|opnos \(o|funcid|aggfnoid|winfnoid|inputcollid) ([0-9 ]+)', 'g')
                 WITH ORDINALITY AS found(used, place),
               unnest(string_to_array(rtrim(used[2]), ' ')) WITH ORDINALITY AS each(one, number)
         WHERE one <> '0' ORDER BY place, number))",
                       tree);
}

std::string same_operators_sql(const std::string& tree, const used_operators& wanted, made_anew functions) {
    const std::string own = fmt::format("one LIKE 'f%' AND substr(one, 2)::bigint >= {}", first_of_users);
    const bool counted = functions == made_anew::some;
    std::vector<std::string> known;
    int own_functions = 0;
    for (const std::string& oid : wanted.oids) {
        const bool is_own_function = oid.front() == 'f' && is_of_users(oid);
        own_functions += is_own_function ? 1 : 0;
        if (oid.front() == 'o' || (is_own_function && !counted)) {
            known.push_back(oid);
        }
    }
    const std::string of_interest = counted ? "one LIKE 'o%'" : fmt::format("one LIKE 'o%' OR ({})", own);
    const std::string no_more = counted ? fmt::format(" AND count(*) FILTER (WHERE {}) <= {}", own, own_functions) : "";
    return fmt::format(
        "(SELECT coalesce(array_agg(one ORDER BY place) FILTER (WHERE {}), '{{}}') = {}::text[]{} "
        "FROM unnest({}) WITH ORDINALITY AS all_of_them(one, place))",
        of_interest, quote_literal(pg::array_literal(known)), no_more, used_operators_sql(tree));
}

std::string open_functions_sql(const std::string& tree) {
    return fmt::format(R"((EXISTS (
        SELECT FROM regexp_matches({}, ':(?:funcid|aggfnoid|winfnoid) (\d+)', 'g') AS used
          JOIN pg_proc p ON p.oid = used[1]::oid
         WHERE p.pronamespace <> 'pg_catalog'::regnamespace
           AND (p.provariadic <> 0 OR p.pronargdefaults > 0
                OR EXISTS (SELECT FROM unnest(p.proargtypes::oid[]) AS one(type) JOIN pg_type t ON t.oid = one.type
                            WHERE t.typtype = 'p')))))",
                       tree);
}

std::string built_in_sql(const std::string& tree) {
    return fmt::format(R"(({0} !~ 'SQLVALUEFUNCTION|SUBLINK|:varattno 0 |type [0-9]{{5,}} '
        AND NOT EXISTS (SELECT FROM regexp_matches({0}, ':(?:funcid|opfuncid|aggfnoid|winfnoid) (\d+)', 'g') AS used
                          JOIN pg_proc p ON p.oid = used[1]::oid WHERE p.oid >= 16384 OR p.provolatile <> 'i')))",
                       tree);
}

awaitable<used_operators> read_operators(pg::connection& conn, std::string tree) {
    const auto rows = co_await conn.query(
        fmt::format("SELECT {} AS oids, {} AS schemas", used_operators_sql(tree), operator_schemas_sql(tree)));
    used_operators found;
    found.oids = rows.array(0, "oids");
    found.schemas = rows.array(0, "schemas");
    co_return found;
}

std::vector<std::string> other_operators(const used_operators& before, const used_operators& after) {
    const std::set<std::string> known(before.oids.begin(), before.oids.end());
    std::vector<std::string> others;
    std::copy_if(after.oids.begin(), after.oids.end(), std::back_inserter(others),
                 [&](const std::string& oid) { return known.count(oid) == 0; });
    if (others.empty() && of_users(before) != of_users(after)) {
        others = of_users(before);
    }
    return others;
}

awaitable<std::string> operator_names(pg::connection& conn, std::vector<std::string> oids) {
    const auto rows = co_await conn.query(names_sql, pg::array_literal(oids));
    std::vector<std::string> names;
    for (int row = 0; row < rows.rows(); ++row) {
        if (std::find(names.begin(), names.end(), rows.text(row, 0)) == names.end()) {
            names.push_back(rows.text(row, 0));
        }
    }
    co_return join(names, ", ");
}

awaitable<std::vector<std::string>> strangers_in(pg::connection& conn, std::string schema, std::string table_owner) {
    const auto rows = co_await conn.query(strangers_sql, schema, table_owner);
    std::vector<std::string> roles;
    for (int row = 0; row < rows.rows(); ++row) {
        roles.push_back(rows.text(row, "owner"));
    }
    co_return roles;
}

}  // namespace pgeist::catalog
