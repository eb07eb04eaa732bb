#include <algorithm>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/swap/plan/steps.hpp"

namespace pgeist::swap {

awaitable<bool> may_lock(pg::connection& conn, qualified_name table) {
    const char* rights = conn.server_major() >= 17 ? "UPDATE, DELETE, TRUNCATE, MAINTAIN" : "UPDATE, DELETE, TRUNCATE";
    // Not by to_regclass(), which is an error for who may not look into the schema.
    const auto row = co_await conn.query(
        "SELECT coalesce((SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, $3) FROM pg_class "
        "c "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2), false)",
        table.schema, table.name, rights);
    co_return row.boolean(0, 0);
}

namespace {

/// Views that a step needs locked: all of them, or those that the step drops.
std::vector<qualified_name> locked_views(const plan::blueprint& plan, bool dropped) {
    std::vector<qualified_name> names;
    for (const plan::swap_step& step : plan.swap.steps()) {
        const bool drops = step.sql.rfind("DROP VIEW", 0) == 0 || step.sql.rfind("DROP MATERIALIZED VIEW", 0) == 0;
        for (const plan::swap_lock& each : step.locks) {
            if (each.by == plan::lock_way::statement && (drops || !dropped)) {
                names.push_back(each.name);
            }
        }
    }
    return names;
}

}  // namespace

void require_separate_views(const std::vector<const plan::blueprint*>& plans) {
    for (const plan::blueprint* one : plans) {
        for (const qualified_name& view : locked_views(*one, true)) {
            for (const plan::blueprint* other : plans) {
                const auto theirs = locked_views(*other, false);
                if (other != one && std::find(theirs.begin(), theirs.end(), view) != theirs.end()) {
                    throw error(
                        exit_code::refused,
                        fmt::format("view {} stands on {} and on {}, in more than one way, and would have to be "
                                    "made anew for each",
                                    view.display(), one->table.display(), other->table.display()),
                        "drop it for the time of the run and make it again afterwards");
                }
            }
        }
    }
}

awaitable<void> check_locks(build_context& at, const plan::blueprint& into) {
    std::vector<qualified_name> wanted{at.source.name};
    for (const auto& others : {into.swap.locked_parents(), into.swap.locked_tables()}) {
        wanted.insert(wanted.end(), others.begin(), others.end());
    }
    for (const auto& each : wanted) {
        const bool allowed = co_await may_lock(at.conn, each);
        if (!allowed) {
            const std::string role = quote_identifier(at.conn.user());
            const auto row = co_await at.conn.query("SELECT has_schema_privilege($1::text, 'USAGE')", each.schema);
            if (!row.boolean(0, 0)) {
                throw error(exit_code::refused,
                            fmt::format("the swap locks {}, and role {} lacks the right USAGE on schema {}",
                                        each.display(), role, display_identifier(each.schema)),
                            fmt::format("GRANT USAGE ON SCHEMA {} TO {}", quote_identifier(each.schema), role));
            }
            throw error(exit_code::refused, fmt::format("the swap locks {}, and role {} may not", each.display(), role),
                        fmt::format("GRANT UPDATE ON {} TO {}, for the time of the run", each.sql(), role));
        }
    }
}

}  // namespace pgeist::swap
