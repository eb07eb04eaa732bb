#include <fmt/format.h>

#include "pgeist/catalog/reader.hpp"
#include "pgeist/catalog/reading_settings.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/sql/foreign_key.hpp"
#include "pgeist/sql/parent.hpp"
#include "pgeist/target/steps.hpp"

// The shadow is made a child of stand-ins for the source's parents, so that a clause of the user's meets what a child
// may not do, and so that what the parents hand down is seen to come back.
namespace pgeist::target {

namespace {

qualified_name stand_in_of(const build_context& at, const catalog::parent& as) {
    return {at.passage_schema, fmt::format("pgeist_parent_{}", as.oid)};
}

awaitable<void> make_stand_in(build_context& at, const catalog::parent& as) {
    const auto real = co_await catalog::read_table(at.conn, as.oid);
    stand_in made;
    made.real_oid = as.oid;
    made.real = as.name;
    made.name = stand_in_of(at, as);
    statements all = create_parent(real, as, made.name, at.conn.server_major());
    co_await run_statements(at, std::move(all));
    made.oid = co_await table_oid(at.conn, made.name);
    at.parents.push_back(made);
}

/// A partition has the parent's foreign keys. They are made on both, so that the partition's keeps its name.
awaitable<void> add_inherited_foreign_keys(build_context& at) {
    statements all;
    for (const auto& key : at.source.inherited_foreign_keys) {
        const auto other = co_await stand_in_for(at, key.referenced_oid);
        for (auto& each : add_foreign_key(key, at.parents.front().name, other.name, key.validated)) {
            all.push_back(std::move(each));
        }
        for (auto& each : add_foreign_key(key, at.shadow, other.name, key.validated)) {
            all.push_back(std::move(each));
        }
    }
    co_await run_statements(at, std::move(all));
}

awaitable<void> note_bound(build_context& at) {
    co_await at.conn.execute(catalog::reading_settings);
    const auto rows = co_await at.conn.query("SELECT pg_get_partition_constraintdef($1)", at.shadow_oid);
    at.own_bound = rows.text(0, 0);
    co_await at.conn.execute(catalog::session_settings(at.conn));
}

}  // namespace

awaitable<void> find_parents(build_context& at) {
    for (const auto& each : at.source.inherits) {
        stand_in found;
        found.real_oid = each.oid;
        found.real = each.name;
        found.name = stand_in_of(at, each);
        const auto row = co_await at.conn.query("SELECT to_regclass($1)::oid::bigint", found.name.sql());
        if (row.is_null(0, 0)) {
            throw error(exit_code::refused, fmt::format("{}, which stands for {} where the table waits, was dropped",
                                                        found.name.display(), each.name.display()));
        }
        found.oid = row.integer(0, 0);
        at.parents.push_back(std::move(found));
    }
}

qualified_name column_parent_of(const build_context& at) { return {at.passage_schema, "pgeist_mold"}; }

awaitable<void> join_parents(build_context& at) {
    for (const auto& each : at.source.inherits) {
        co_await make_stand_in(at, each);
    }
    if (at.source.is_partition) {
        co_await add_inherited_foreign_keys(at);
    }
    statements all;
    for (std::size_t place = 0; place < at.parents.size(); ++place) {
        all.push_back(join_parent(at.source.inherits[place], at.parents[place].name, at.shadow));
    }
    if (at.source.inherits_columns()) {
        const catalog::parent plain;
        all.push_back(leave_parent(plain, column_parent_of(at), at.shadow));
        all.push_back({"the table", "DROP TABLE " + column_parent_of(at).sql()});
    }
    for (auto& each : own_share(at.source, at.shadow)) {
        all.push_back(std::move(each));
    }
    co_await run_statements(at, std::move(all));
    if (at.source.is_partition) {
        co_await note_bound(at);
    }
}

}  // namespace pgeist::target
