#include "standing.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "bound_expressions.hpp"
#include "pgeist/core/error.hpp"

namespace pgeist::expand {

namespace {

constexpr const char* name_sql =
    "SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE "
    "c.oid = $1::bigint::oid";

constexpr const char* columns_sql = R"(
    SELECT k.place, a.attname IS NULL AS gone, format_type(a.atttypid, a.atttypmod) AS type
      FROM unnest($2::text[]) WITH ORDINALITY AS k (name, place)
      LEFT JOIN pg_attribute a ON a.attrelid = $1::bigint::oid AND a.attname = k.name AND a.attnum > 0 AND NOT a.attisdropped
     ORDER BY k.place)";

std::vector<column> kept(const spec& plan) {
    std::vector<column> all;
    for (const group& one : plan.groups) {
        all.insert(all.end(), one.olds.begin(), one.olds.end());
        all.insert(all.end(), one.news.begin(), one.news.end());
    }
    return all;
}

std::string shown_columns(const std::vector<std::string>& columns) {
    std::vector<std::string> shown;
    for (const std::string& each : columns) {
        shown.push_back(display_identifier(each));
    }
    return join(shown, ", ");
}

}  // namespace

bool standing::has_lost(const std::string& column) const {
    return std::find(gone.begin(), gone.end(), column) != gone.end();
}

awaitable<standing> look_at(pg::connection& session, const spec& plan) {
    standing now;
    const pg::result table = co_await session.query(name_sql, plan.source_oid);
    if (table.empty()) {
        co_return now;
    }
    now.table = qualified_name{table.text(0, "schema"), table.text(0, "name")};
    const std::vector<column> all = kept(plan);
    const names called = names_of(plan);
    std::vector<std::string> names_now;
    for (const column& each : all) {
        names_now.push_back(called(each.name));
    }
    const std::string wanted = pg::array_literal(names_now);
    const pg::result found = co_await session.query(columns_sql, plan.source_oid, wanted);
    for (int row = 0; row < found.rows(); ++row) {
        const column& each = all[static_cast<std::size_t>(row)];
        if (found.boolean(row, "gone")) {
            now.gone.push_back(each.name);
        } else if (found.text(row, "type") != each.type) {
            now.retyped.push_back(
                fmt::format("{} is {}, and was {}", display_identifier(each.name), found.text(row, "type"), each.type));
        }
    }
    co_return now;
}

awaitable<void> require_whole(pg::connection& session, std::int64_t job, spec& plan) {
    const standing now = co_await look_at(session, plan);
    if (!now.table) {
        throw error(exit_code::refused,
                    fmt::format("{}, which job {} has expanded, has gone", plan.table.display(), job),
                    fmt::format("take away what is left of the job with: pgeist cleanup {}", job));
    }
    plan.table = *now.table;
    if (!now.gone.empty()) {
        throw error(
            exit_code::refused,
            fmt::format("{} has no column {} any more, which job {} keeps in step: somebody has dropped or "
                        "renamed it",
                        plan.table.display(), shown_columns(now.gone), job),
            fmt::format(
                "rename it back; or, where it was dropped, let pgeist cleanup {} take away the trigger and keep the "
                "column that is left; nothing was done",
                job));
    }
    if (!now.retyped.empty()) {
        throw error(exit_code::refused,
                    fmt::format("columns of {} that job {} keeps in step have another type: {}", plan.table.display(),
                                job, join(now.retyped, "; ")),
                    "give them their types back with ALTER TABLE; nothing was done");
    }
}

}  // namespace pgeist::expand
