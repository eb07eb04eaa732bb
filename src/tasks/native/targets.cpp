#include "targets.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace pgeist::native {

namespace {

lock::mode mode_of(probe::lock_mode mode) {
    // lock::mode lacks the two weakest.
    return static_cast<lock::mode>(static_cast<int>(mode) - static_cast<int>(probe::lock_mode::row_share));
}

constexpr const char* relations_sql = R"sql(
    SELECT w.place, c.relkind, pg_get_userbyid(c.relowner) AS owner,
           pg_has_role(c.relowner, 'USAGE') OR has_table_privilege(c.oid, $3) AS may
      FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (schema, name, place)
      JOIN pg_namespace n ON n.nspname = w.schema JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
     ORDER BY w.place)sql";

/// The owner that it has already: the lock is taken, and nothing is done.
pg::statement by_owner(const char* kind, const qualified_name& relation, const std::string& owner) {
    pg::statement one;
    one.label = relation.sql();
    one.sql = fmt::format("ALTER {} {} OWNER TO {}", kind, relation.sql(), quote_identifier(owner));
    return one;
}

}  // namespace

bool is_empty(const lock::target& wanted) {
    return wanted.parents.empty() && wanted.weaker.empty() && wanted.lock_statements.empty() &&
           wanted.sequences.empty();
}

awaitable<lock::target> target_for(pg::connection& session, std::vector<steps::wanted_lock> locks) {
    std::vector<std::string> schemas;
    std::vector<std::string> names;
    for (const steps::wanted_lock& each : locks) {
        schemas.push_back(each.relation.schema);
        names.push_back(each.relation.name);
    }
    std::string rights = "UPDATE, DELETE, TRUNCATE";
    if (session.server_major() >= 17) {
        rights += ", MAINTAIN";
    }
    const pg::result found =
        co_await session.query(relations_sql, pg::array_literal(schemas), pg::array_literal(names), rights);
    lock::target wanted;
    std::vector<lock::weaker_lock> tables;
    wanted.mode = lock::mode::row_share;
    for (int row = 0; row < found.rows(); ++row) {
        const steps::wanted_lock& each = locks[static_cast<std::size_t>(found.integer(row, "place") - 1)];
        const std::string kind = found.text(row, "relkind");
        const std::string owner = found.text(row, "owner");
        if (!found.boolean(row, "may")) {
            continue;
        }
        const lock::mode mode = mode_of(each.mode);
        if (kind == "r" || kind == "p") {
            tables.push_back({each.relation, mode});
            wanted.mode = std::max(wanted.mode, mode);
        } else if (kind == "S") {
            wanted.sequences.push_back(by_owner("SEQUENCE", each.relation, owner));
        } else if (mode == lock::mode::access_exclusive && kind == "m") {
            wanted.lock_statements.push_back(by_owner("MATERIALIZED VIEW", each.relation, owner));
        } else if (mode == lock::mode::access_exclusive && kind == "v") {
            wanted.lock_statements.push_back(by_owner("VIEW", each.relation, owner));
        }
    }
    for (lock::weaker_lock& each : tables) {
        if (each.mode == wanted.mode) {
            wanted.parents.push_back(std::move(each.table));
        } else {
            wanted.weaker.push_back(std::move(each));
        }
    }
    if (tables.empty()) {
        wanted.mode = lock::mode::access_exclusive;
    }
    co_return wanted;
}

}  // namespace pgeist::native
