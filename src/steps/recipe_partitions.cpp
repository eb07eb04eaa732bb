// ATTACH PARTITION: proven by constraints that are validated before, on the partition and on the DEFAULT one.

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/ddl/lexer.hpp"
#include "pgeist/pg/transaction.hpp"
#include "recipes.hpp"

namespace pgeist::steps {

namespace {

constexpr const char* proof = "pgeist_partition_bound";

/// `FOR VALUES …` as it was written; empty where it is DEFAULT.
std::string bound_of(const std::string& clause) {
    const auto tokens = ddl::tokens_of(clause);
    for (std::size_t at = 0; at + 1 < tokens.size(); ++at) {
        if (tokens[at].is("for") && tokens[at + 1].is("values")) {
            return clause.substr(tokens[at].begin);
        }
    }
    return "";
}

/// What is asked of the server.
struct bound_question {
    std::string bound;
    qualified_name parent;
    std::string constraint;  ///< that rows of such a partition satisfy; empty: it cannot be written
    std::string default_partition;
};

constexpr const char* parent_sql = R"sql(
    SELECT c.oid::bigint AS oid, p.partstrat, pg_get_partkeydef(c.oid) AS key,
           coalesce(pg_get_partition_constraintdef(c.oid), '') AS own,
           EXISTS (SELECT FROM unnest(p.partcollation::oid[]) AS u(c) WHERE u.c <> 0) AS collated,
           CASE WHEN d.oid IS NULL THEN '' ELSE format('%I.%I', dn.nspname, d.relname) END AS default_partition
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_partitioned_table p ON p.partrelid = c.oid
      LEFT JOIN pg_class d ON d.oid = p.partdefid LEFT JOIN pg_namespace dn ON dn.oid = d.relnamespace
     WHERE n.nspname = $1 AND c.relname = $2)sql";

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
        "CREATE TEMP TABLE pgeist_parent (LIKE {0}) PARTITION BY {1}; CREATE TEMP TABLE pgeist_child (LIKE {0}); "
        "ALTER TABLE pg_temp.pgeist_parent ATTACH PARTITION pg_temp.pgeist_child {2}",
        what.parent.sql(), parent.text(0, "key"), what.bound));
    const pg::result found = co_await session.query(
        "SELECT replace(pg_get_partition_constraintdef(to_regclass('pg_temp.pgeist_child')), "
        "format('''%s''::oid', to_regclass('pg_temp.pgeist_parent')::oid), format('''%s''::oid', $1::bigint))",
        parent.integer(0, "oid"));
    what.constraint = found.text(0, 0);
    const std::string own = parent.text(0, "own");
    if (!own.empty()) {
        what.constraint = fmt::format("({} AND {})", own, what.constraint);
    }
    what.default_partition = parent.text(0, "default_partition");
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
    first.take_back.push_back(drop);
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

awaitable<std::optional<recipe>> attach_partition(pg::connection& session, const part& of, const ddl::clause& each) {
    std::optional<recipe> none;
    bound_question asked;
    asked.bound = bound_of(each.text);
    asked.parent = parse_qualified_name(of.before.name_of(of.what.relation));
    if (asked.bound.empty() || !of.does.builds.empty()) {
        co_return none;
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
    if (refused || asked.constraint.empty()) {
        co_return none;
    }
    recipe made;
    made.how = method::validate;
    made.why = "its rows are checked while others read and write";
    std::vector<std::string> last{of.what.text};
    prove(made, parse_qualified_name(of.before.name_of(each.partner)).sql(), asked.constraint, last);
    if (!asked.default_partition.empty()) {
        prove(made, asked.default_partition, "NOT (" + asked.constraint + ")", last);
    }
    made.actions.push_back(transaction_of("attaching it", std::move(last), locks_of(of.does)));
    co_return made;
}

}  // namespace pgeist::steps
