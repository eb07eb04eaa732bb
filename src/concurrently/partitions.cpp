#include <algorithm>

#include <fmt/format.h>

#include "pgeist/core/clipped.hpp"
#include "pgeist/pg/transaction.hpp"
#include "run.hpp"

namespace pgeist::concurrently {

namespace {

struct leaf {
    std::int64_t oid = 0;
    qualified_name table;
};

// A foreign table has no indexes: the plain statement says what it thinks of that.
awaitable<std::vector<leaf>> leaves_of(pg::connection& session, std::int64_t table_oid) {
    const pg::result rows = co_await session.query(R"sql(
        SELECT c.oid::bigint AS oid, n.nspname, c.relname
          FROM pg_partition_tree($1::bigint::oid::regclass) p JOIN pg_class c ON c.oid = p.relid
          JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE p.isleaf AND c.relkind = 'r' ORDER BY n.nspname, c.relname)sql",
                                                   table_oid);
    std::vector<leaf> all;
    for (int row = 0; row < rows.rows(); ++row) {
        leaf one;
        one.oid = rows.integer(row, "oid");
        one.table.schema = rows.text(row, "nspname");
        one.table.name = rows.text(row, "relname");
        all.push_back(std::move(one));
    }
    co_return all;
}

/// The index as the server makes it of a table of the same name that has no rows.
struct model {
    std::string name;
    std::string definition;  ///< from USING on
};

constexpr const char* model_schema = "pgeist_names";

std::string model_sql(const partitioned_request& wanted, const leaf& of) {
    const qualified_name stand_in{model_schema, of.table.name};
    std::string sql =
        fmt::format("CREATE SCHEMA {}; CREATE TABLE {} (LIKE {})", model_schema, stand_in.sql(), of.table.sql());
    if (wanted.constraint.empty()) {
        return sql + fmt::format("; CREATE {}INDEX ON {} {}", wanted.unique ? "UNIQUE " : "", stand_in.sql(),
                                 wanted.definition);
    }
    return sql + fmt::format("; ALTER TABLE {} ADD {}", stand_in.sql(), wanted.constraint);
}

std::string after_table(const std::string& definition) {
    const auto at = definition.find(" USING ");
    return at == std::string::npos ? definition : definition.substr(at + 1);
}

awaitable<void> make_model(pg::connection& session, const partitioned_request& wanted, const leaf& of, model& made) {
    co_await session.execute(model_sql(wanted, of));
    const pg::result row = co_await session.query(
        "SELECT c.relname, pg_get_indexdef(c.oid) FROM pg_class c WHERE c.relnamespace = to_regnamespace($1) AND "
        "c.relkind = 'i' ORDER BY c.oid DESC LIMIT 1",
        model_schema);
    made.name = row.text(0, 0);
    made.definition = after_table(row.text(0, 1));
}

/// One like it that is valid and no part of another index: for a constraint one of a constraint, else of none, or any.
awaitable<std::optional<std::string>> find_like(pg::connection& session, const leaf& of, const model& like,
                                                const partitioned_request& wanted) {
    const pg::result rows =
        co_await session.query(R"sql(
        SELECT c.relname, pg_get_indexdef(c.oid) AS definition
          FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
         WHERE i.indrelid = $1::bigint::oid AND i.indisvalid AND i.indisunique = $2::boolean AND NOT i.indisexclusion
           AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid)
           AND (NOT $3::boolean OR EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid AND k.contype IN ('p', 'u')
                                              AND k.conrelid = i.indrelid))
         ORDER BY c.oid)sql",
                               of.oid, wanted.unique || !wanted.constraint.empty(), !wanted.constraint.empty());
    std::optional<std::string> found;
    for (int row = 0; row < rows.rows() && !found; ++row) {
        if (after_table(rows.text(row, "definition")) == like.definition) {
            found = rows.text(row, "relname");
        }
    }
    co_return found;
}

/// As the server does: a number after a name that is taken. A name that this job has taken before is its own.
awaitable<std::string> free_name(pg::connection& session, job::tenure mine, const leaf& of, std::string wanted) {
    const std::vector<entry> known = co_await load(session, mine.job);
    for (int number = 0;; ++number) {
        const std::string suffix = number == 0 ? "" : std::to_string(number);
        const std::string name = std::string(clipped(wanted, longest_identifier - suffix.size())) + suffix;
        entry about;
        about.what = deed::create;
        about.name = qualified_name{of.table.schema, name};
        const bool ours = std::any_of(known.begin(), known.end(), [&](const entry& each) {
            return each.key() == about.key() && each.table_oid == of.oid;
        });
        const pg::result row = co_await session.query(
            "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 "
            "AND c.relname = $2)",
            of.table.schema, name);
        if (ours || !row.boolean(0, 0)) {
            co_return name;
        }
    }
}

awaitable<void> index_on(workspace& work, pg::connection& session, const partitioned_request& wanted, const leaf& on,
                         partition_index& made) {
    model like;
    const auto making = [&] { return make_model(session, wanted, on, like); };
    co_await pg::rolled_back(session, making);
    const auto found = co_await find_like(session, on, like, wanted);
    if (found) {
        made.name = *found;
        made.has_constraint = !wanted.constraint.empty();
        co_return;
    }
    const bool unique = wanted.unique || !wanted.constraint.empty();
    index_request one;
    one.table_oid = on.oid;
    one.name.schema = on.table.schema;
    one.name.name = co_await free_name(session, work.mine, on, like.name);
    one.create_sql = fmt::format("CREATE {}INDEX CONCURRENTLY {} ON {} {}", unique ? "UNIQUE " : "",
                                 quote_identifier(one.name.name), on.table.sql(), like.definition);
    one.for_constraint = true;  // of no use without the partitioned table's
    made.name = one.name.name;
    co_await create_index(work, session, std::move(one));
}

}  // namespace

awaitable<std::vector<partition_index>> create_on_partitions(workspace& work, pg::connection& session,
                                                             partitioned_request wanted) {
    require_sound_server(session);
    std::vector<partition_index> made;
    const std::vector<leaf> all = co_await leaves_of(session, wanted.table_oid);
    for (const leaf& each : all) {
        partition_index one;
        one.table = each.table;
        co_await index_on(work, session, wanted, each, one);
        made.push_back(std::move(one));
    }
    co_return made;
}

}  // namespace pgeist::concurrently
