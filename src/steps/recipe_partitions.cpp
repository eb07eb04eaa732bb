// ATTACH PARTITION: proven by constraints that are validated before, on the partition and on the DEFAULT one.

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/ddl/lexer.hpp"
#include "pgeist/pg/transaction.hpp"
#include "recipes.hpp"

namespace pgeist::steps {

namespace {

constexpr const char* proof = "pgeist_partition_bound";
constexpr const char* default_bound = "DEFAULT";

/// `FOR VALUES …` or `DEFAULT`, as it was written.
std::string bound_of(const std::string& clause) {
    const auto tokens = ddl::tokens_of(clause);
    for (std::size_t at = 0; at + 1 < tokens.size(); ++at) {
        if (tokens[at].is("for") && tokens[at + 1].is("values")) {
            return clause.substr(tokens[at].begin);
        }
    }
    return tokens.empty() || !tokens.back().is("default") ? "" : default_bound;
}

/// What is asked of the server.
struct bound_question {
    std::string bound;
    qualified_name parent;
    partition_proof proof;  ///< its condition is empty where it cannot be written
};

constexpr const char* parent_sql = R"sql(
    SELECT c.oid::bigint AS oid, p.partstrat, pg_get_partkeydef(c.oid) AS key,
           coalesce(pg_get_partition_constraintdef(c.oid), '') AS own,
           EXISTS (SELECT FROM unnest(p.partcollation::oid[]) AS u(c) WHERE u.c <> 0) AS collated,
           CASE WHEN d.oid IS NULL THEN '' ELSE format('%I.%I', dn.nspname, d.relname) END AS default_partition
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_partitioned_table p ON p.partrelid = c.oid
      LEFT JOIN pg_class d ON d.oid = p.partdefid LEFT JOIN pg_namespace dn ON dn.oid = d.relnamespace
     WHERE n.nspname = $1 AND c.relname = $2)sql";

constexpr const char* siblings_sql = R"sql(
    SELECT pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = $1::bigint::oid AND NOT i.inhdetachpending ORDER BY 1)sql";

/// On temporary tables that are rolled back.
awaitable<void> ask_for_constraint(pg::connection& session, bound_question& what) {
    const pg::result parent = co_await session.query(parent_sql, what.parent.schema, what.parent.name);
    const bool hash = !parent.empty() && parent.text(0, "partstrat") == "h";
    // A call with a collation is not the one that the server proves by.
    if (parent.empty() || (hash && parent.boolean(0, "collated"))) {
        co_return;
    }
    co_await session.execute("SET LOCAL lock_timeout = '200ms'");
    co_await session.execute(fmt::format(
        "CREATE TEMP TABLE pgeist_parent (LIKE {0}) PARTITION BY {1}; CREATE TEMP TABLE pgeist_child (LIKE {0})",
        what.parent.sql(), parent.text(0, "key")));
    if (what.bound == default_bound) {  // whatever belongs into none of the others
        const pg::result others = co_await session.query(siblings_sql, parent.integer(0, "oid"));
        for (int row = 0; row < others.rows(); ++row) {
            co_await session.execute(fmt::format(
                "CREATE TEMP TABLE pgeist_sibling_{} PARTITION OF pg_temp.pgeist_parent {}", row, others.text(row, 0)));
        }
    }
    co_await session.execute(
        fmt::format("ALTER TABLE pg_temp.pgeist_parent ATTACH PARTITION pg_temp.pgeist_child {}", what.bound));
    const pg::result found = co_await session.query(
        "SELECT replace(pg_get_partition_constraintdef(to_regclass('pg_temp.pgeist_child')), "
        "format('''%s''::oid', to_regclass('pg_temp.pgeist_parent')::oid), format('''%s''::oid', $1::bigint))",
        parent.integer(0, "oid"));
    what.proof.condition = found.text(0, 0);
    const std::string own = parent.text(0, "own");
    if (!own.empty()) {
        what.proof.condition = fmt::format("({} AND {})", own, what.proof.condition);
    }
    what.proof.default_partition = parent.text(0, "default_partition");
}

// The indexes of a partitioned table of which the partition to be has none like it: for a constraint's none but another
// constraint's counts.
constexpr const char* missing_sql = R"sql(
    SELECT substring(pg_get_indexdef(i.indexrelid) FROM ' (USING .*)$') AS definition, i.indisunique AS is_unique,
           i.indisexclusion OR t.relkind <> 'r' AS beyond_us,
           coalesce(pg_get_constraintdef(k.oid), '') AS constraint_definition, coalesce(k.contype = 'p', false) AS is_primary,
           CASE WHEN k.condeferrable THEN 'DEFERRABLE' ELSE '' END
             || CASE WHEN k.condeferred THEN ' INITIALLY DEFERRED' ELSE '' END AS besides
      FROM pg_index i LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')
      CROSS JOIN pg_class t
     WHERE i.indrelid = to_regclass($1) AND t.oid = to_regclass($2)
       AND NOT EXISTS (SELECT FROM pg_index o WHERE o.indrelid = t.oid AND o.indisvalid AND o.indisunique = i.indisunique
                          AND substring(pg_get_indexdef(o.indexrelid) FROM ' (USING .*)$')
                            = substring(pg_get_indexdef(i.indexrelid) FROM ' (USING .*)$')
                          AND (k.oid IS NULL OR EXISTS (SELECT FROM pg_constraint ok WHERE ok.conindid = o.indexrelid
                                                           AND ok.conrelid = o.indrelid)))
     ORDER BY i.indexrelid)sql";

/// What builds them, under the names that the plain statement would give. Nothing where it cannot be done CONCURRENTLY.
awaitable<std::optional<std::vector<action>>> missing_indexes(pg::connection& session, const part& of,
                                                              qualified_name partition) {
    std::optional<std::vector<action>> made;
    const pg::result rows = co_await session.query(missing_sql, of.before.name_of(of.what.relation), partition.sql());
    std::vector<action> all;
    for (int row = 0; row < rows.rows(); ++row) {
        if (rows.boolean(row, "beyond_us")) {
            co_return made;
        }
        const std::string definition = rows.text(row, "definition");
        const std::string constraint = rows.text(row, "constraint_definition");
        const char* unique = rows.boolean(row, "is_unique") ? "UNIQUE " : "";
        action build;
        build.kind = action_kind::build_index;
        build.label = "building an index of " + partition.display();
        build.relation = partition;
        build.index.schema = partition.schema;
        build.unnamed = constraint.empty() ? fmt::format("CREATE {}INDEX ON {{table}} {}", unique, definition)
                                           : fmt::format("ALTER TABLE {{table}} ADD {}", constraint);
        build.statements.push_back(
            fmt::format("CREATE {}INDEX CONCURRENTLY {} ON {} {}", unique, made_index, partition.sql(), definition));
        all.push_back(std::move(build));
        if (!constraint.empty()) {
            wanted_lock lock;
            lock.relation = partition;
            lock.mode = probe::lock_mode::access_exclusive;
            const char* word = rows.boolean(row, "is_primary") ? "PRIMARY KEY" : "UNIQUE";
            action use =
                transaction_of("making it a constraint",
                               {fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {} USING INDEX {} {}", partition.sql(),
                                            made_index, word, made_index, rows.text(row, "besides"))},
                               {lock});
            use.undo = undoing::constraints;
            all.push_back(std::move(use));
        }
    }
    made = std::move(all);
    co_return made;
}

/// Adds a proof to `made`, and to `last` what takes it off again.
void prove(recipe& made, const std::string& table, const std::string& condition, std::vector<std::string>& last) {
    const std::string drop = fmt::format("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {}", table, proof);
    wanted_lock lock;
    lock.relation = parse_qualified_name(table);
    lock.mode = probe::lock_mode::access_exclusive;
    action first = transaction_of(
        "letting only rows in that belong there",
        {fmt::format("ALTER TABLE {} ADD CONSTRAINT {} CHECK ({}) NOT VALID", table, proof, condition)}, {lock});
    first.undo = undoing::constraints;
    made.actions.push_back(std::move(first));
    action second;
    second.kind = action_kind::patient;
    second.label = "validating that";
    second.statements.push_back(fmt::format("ALTER TABLE {} VALIDATE CONSTRAINT {}", table, proof));
    lock.mode = probe::lock_mode::share_update_exclusive;
    second.locks.push_back(std::move(lock));
    made.actions.push_back(std::move(second));
    last.push_back(drop);
}

}  // namespace

recipe attached(const part& of, const ddl::clause& each, const partition_proof& by) {
    recipe made;
    made.how = method::validate;
    made.why = "its rows are checked while others read and write";
    std::vector<std::string> last{of.what.text};
    prove(made, parse_qualified_name(of.before.name_of(each.partner)).sql(), by.condition, last);
    if (!by.default_partition.empty()) {
        prove(made, by.default_partition, "NOT (" + by.condition + ")", last);
    }
    made.actions.push_back(transaction_of("attaching it", std::move(last), locks_of(of.does)));
    return made;
}

awaitable<std::optional<recipe>> attach_partition(pg::connection& session, const part& of, const ddl::clause& each) {
    std::optional<recipe> made;
    bound_question asked;
    asked.bound = bound_of(each.text);
    asked.parent = parse_qualified_name(of.before.name_of(of.what.relation));
    if (asked.bound.empty()) {
        co_return made;
    }
    const auto asking = [&] { return ask_for_constraint(session, asked); };
    bool refused = false;
    try {
        co_await pg::rolled_back(session, asking);
    } catch (const pg::sql_error& problem) {
        refused = true;
        if (problem.poisons_connection()) {
            throw;
        }
    }
    if (refused || asked.proof.condition.empty()) {
        co_return made;
    }
    std::vector<action> first;
    if (!of.does.builds.empty()) {
        qualified_name partition = parse_qualified_name(of.before.name_of(each.partner));
        auto builds = co_await missing_indexes(session, of, std::move(partition));
        if (!builds) {
            co_return made;
        }
        first = std::move(*builds);
    }
    made = attached(of, each, asked.proof);
    if (!first.empty()) {
        made->why = "its indexes are built, and its rows checked, while others read and write";
        made->actions.insert(made->actions.begin(), first.begin(), first.end());
    }
    co_return made;
}

}  // namespace pgeist::steps
