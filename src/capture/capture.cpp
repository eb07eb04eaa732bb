#include "pgeist/capture/capture.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "pgeist/catalog/fingerprint.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/template.hpp"
#include "pgeist/templates.hpp"
#include "pgeist/walk/key_sql.hpp"

namespace pgeist::capture {

namespace {

constexpr std::array<const char*, 5> trigger_kinds{"insert", "update", "delete", "key_change", "truncate"};

/// `NEW."id", NEW."part"`: the key's columns of a row or of a transition table.
std::string key_of(const plan::blueprint& plan, const char* row) { return walk::source_columns(plan.key, row); }

/// True where OLD and NEW have different keys. Key columns are NOT NULL, so the index's own equality decides.
std::string key_changed(const plan::blueprint& plan) {
    std::vector<std::string> same;
    for (const plan::key_column& column : plan.key.columns) {
        const std::string name = quote_identifier(column.source_name);
        const std::string collate = column.collation.empty() ? "" : " COLLATE " + column.collation;
        same.push_back(fmt::format("OLD.{}{} {} NEW.{}", name, collate, column.equal, name));
    }
    return fmt::format("NOT ({})", join(same, " AND "));
}

/// The tag of a dollar quote that none of the texts within ends: a column may be called `$$`.
std::string quote_tag(const std::vector<std::pair<std::string, std::string>>& values) {
    const auto stands_in_one = [&](const std::string& tag) {
        return std::any_of(values.begin(), values.end(),
                           [&](const auto& each) { return each.second.find("$" + tag + "$") != std::string::npos; });
    };
    std::string tag = "pgeist";
    for (int number = 1; stands_in_one(tag); ++number) {
        tag = fmt::format("pgeist{}", number);
    }
    return tag;
}

std::vector<std::pair<std::string, std::string>> placeholders(const plan::blueprint& plan) {
    std::vector<std::pair<std::string, std::string>> values;
    values.emplace_back("job", quote_identifier(plan.job_schema));
    values.emplace_back("job_name", quote_literal(plan.job_schema));
    values.emplace_back("table", plan.table.sql());
    values.emplace_back("prefix", trigger_prefix(plan));
    values.emplace_back("key_columns", walk::log_column_definitions(plan.key));
    values.emplace_back("log_columns", walk::log_columns(plan.key));
    values.emplace_back("columns", key_of(plan, "changed"));
    values.emplace_back("new_row", key_of(plan, "NEW"));
    values.emplace_back("old_row", key_of(plan, "OLD"));
    values.emplace_back("key_changed", key_changed(plan));
    values.emplace_back("quote", quote_tag(values));
    return values;
}

}  // namespace

awaitable<std::string> owner_of_job(pg::connection& session, const plan::blueprint& plan) {
    const pg::result row = co_await session.query(
        "SELECT quote_ident(pg_get_userbyid(nspowner)) FROM pg_namespace WHERE nspname = $1", plan.job_schema);
    if (row.empty()) {
        throw error(
            exit_code::failed,
            fmt::format("schema {} of the job was dropped by someone else", display_identifier(plan.job_schema)),
            "remove what is left of this job with: pgeist cleanup, and run again");
    }
    co_return row.text(0, 0);
}

std::string trigger_prefix(const plan::blueprint& plan) { return plan.job_schema; }

std::string log_sql(const plan::blueprint& plan) {
    const auto values = placeholders(plan);
    return fill_template(templates::log, values) + fill_template(templates::capture_functions, values);
}

std::string log_anew_sql(const plan::blueprint& plan) { return fill_template(templates::log_anew, placeholders(plan)); }

std::string log_whole_sql(const plan::blueprint& plan) {
    return fill_template(templates::log_whole, placeholders(plan));
}

std::string triggers_sql(const plan::blueprint& plan) {
    const auto values = placeholders(plan);
    const std::string_view kind = plan.row_triggers ? templates::capture_row : templates::capture_statement;
    return fill_template(kind, values) + fill_template(templates::capture_common, values);
}

std::vector<plan::statement> drop_triggers(const plan::blueprint& plan, const qualified_name& table) {
    std::vector<plan::statement> drops;
    for (const char* kind : trigger_kinds) {
        const std::string name = fmt::format("{}_{}", trigger_prefix(plan), kind);
        drops.push_back(
            {"dropping trigger " + name, fmt::format("DROP TRIGGER IF EXISTS {} ON {}", name, table.sql())});
    }
    return drops;
}

std::string drop_triggers_sql(const plan::blueprint& plan, const qualified_name& table) {
    std::string sql;
    for (const plan::statement& each : drop_triggers(plan, table)) {
        sql += each.sql + "; ";
    }
    return sql;
}

awaitable<bool> in_place(pg::connection& session, const plan::blueprint& plan) {
    std::vector<std::string> names;
    for (const char* kind : trigger_kinds) {
        names.push_back(fmt::format("{}_{}", trigger_prefix(plan), kind));
    }
    const pg::result row = co_await session.query(
        "SELECT count(*) FROM pg_trigger WHERE tgrelid = $1::bigint::oid AND tgname = ANY ($2::text[]) AND tgenabled = "
        "'A'",
        plan.source_oid, pg::array_literal(names));
    co_return row.integer(0, 0) == static_cast<std::int64_t>(trigger_kinds.size());
}

awaitable<void> require_in_place(pg::connection& session, const plan::blueprint& plan) {
    const bool captured = co_await in_place(session, plan);
    if (!captured) {
        throw error(
            exit_code::failed,
            fmt::format("pgeist's triggers on {} were dropped or disabled by someone else", plan.table.display()),
            "nothing was swapped, the source table is untouched; remove this job with: pgeist cleanup, and run again");
    }
}

namespace {

awaitable<void> require_there(pg::connection& session, const plan::blueprint& plan) {
    const pg::result there =
        co_await session.query("SELECT EXISTS (SELECT FROM pg_class WHERE oid = $1::bigint::oid)", plan.source_oid);
    if (!there.boolean(0, 0)) {
        throw error(exit_code::failed,
                    fmt::format("{} was dropped by someone else during the run", plan.table.display()),
                    "remove this job with: pgeist cleanup");
    }
}

/// `what` may be empty: not known.
[[noreturn]] void throw_changed(const plan::blueprint& plan, const std::string& what) {
    throw error(
        exit_code::failed,
        fmt::format("the definition of {} was changed by someone else during the run{}{}", plan.table.display(),
                    what.empty() ? "" : ": ", what),
        "nothing was swapped, the source table is untouched by pgeist; remove this job with: pgeist cleanup, and "
        "run again");
}

}  // namespace

awaitable<void> require_name(pg::connection& session, const plan::blueprint& plan) {
    const pg::result row = co_await session.query("SELECT to_regclass($1)::oid::bigint IS NOT DISTINCT FROM $2::bigint",
                                                  plan.table.sql(), plan.source_oid);
    if (!row.boolean(0, 0)) {
        co_await require_there(session, plan);
        throw_changed(plan, "its name");
    }
}

awaitable<void> require_unchanged(pg::connection& session, const plan::blueprint& plan) {
    co_await require_there(session, plan);
    const bool same = co_await catalog::still_has_fingerprint(session, plan.source_oid, plan.fingerprint);
    co_await require_name(session, plan);
    if (!same) {
        co_await require_there(session, plan);  // it may have been dropped in between
        std::string what;
        if (!plan.fingerprint_parts.empty()) {  // earlier versions kept none
            const auto parts = co_await catalog::fingerprint_parts(session, plan.source_oid);
            what = catalog::changed_parts(plan.fingerprint_parts, parts);
        }
        throw_changed(plan, what);
    }
}

awaitable<std::int64_t> truncations(pg::connection& session, const plan::blueprint& plan) {
    std::string sql = fmt::format("SELECT count(*) FROM {}.pgeist_truncations", quote_identifier(plan.job_schema));
    const pg::result row = co_await session.query(std::move(sql));
    co_return row.integer(0, 0);
}

awaitable<std::int64_t> log_bytes(pg::connection& session, const plan::blueprint& plan) {
    std::string sql = fmt::format("SELECT coalesce(pg_table_size(to_regclass({})), 0)",
                                  quote_literal(quote_identifier(plan.job_schema) + ".pgeist_log"));
    const pg::result row = co_await session.query(std::move(sql));
    co_return row.integer(0, 0);
}

}  // namespace pgeist::capture
