#include "pgeist/transfer/capture/capture.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/core/template.hpp"
#include "pgeist/templates.hpp"
#include "pgeist/walk/key_sql.hpp"

namespace pgeist::capture {

namespace {

constexpr std::array<const char*, 5> trigger_kinds{"insert", "update", "delete", "key_change", "truncate"};

/// `NEW."id", NEW."part"`: the key's columns of a row or of a transition table.
std::string key_of(const transfer::spec& transfer, const char* row) { return walk::read_columns(transfer.key, row); }

/// True where OLD and NEW have different keys. Key columns are NOT NULL, so the index's own equality decides.
std::string key_changed(const transfer::spec& transfer) {
    std::vector<std::string> same;
    for (const walk::key_column& column : transfer.key.columns) {
        const std::string name = quote_identifier(column.read_name);
        const std::string collate = column.collation.empty() ? "" : " COLLATE " + column.collation;
        same.push_back(fmt::format("OLD.{}{} {} NEW.{}", name, collate, column.equal, name));
    }
    return fmt::format("NOT ({})", join(same, " AND "));
}

/// `f1, f2`, or with types: the key before, in a link.
std::string from_columns(const transfer::spec& transfer, bool with_types) {
    std::vector<std::string> columns;
    for (const walk::key_column& column : transfer.key.columns) {
        const std::string collate = column.collation.empty() ? "" : " COLLATE " + column.collation;
        columns.push_back(fmt::format("f{}{}", columns.size() + 1, with_types ? " " + column.type + collate : ""));
    }
    return join(columns, ", ");
}

bool keeps_history(const transfer::spec& transfer) { return transfer.mode == transfer::replay_mode::keep; }

/// The trigger functions that there are in any mode, and those for history.
constexpr std::array<const char*, 5> functions{"capture_inserted", "capture_deleted", "capture_new_key",
                                               "capture_old_key", "capture_truncated"};
constexpr std::array<const char*, 3> history_functions{"capture_updated", "capture_born", "capture_rekeyed"};

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

std::vector<std::pair<std::string, std::string>> placeholders(const transfer::spec& transfer) {
    std::vector<std::pair<std::string, std::string>> values;
    values.emplace_back("job", quote_identifier(transfer.schema));
    values.emplace_back("job_name", quote_literal(transfer.schema));
    values.emplace_back("table", transfer.read.name.sql());
    values.emplace_back("prefix", trigger_prefix(transfer));
    values.emplace_back("key_columns", walk::log_column_definitions(transfer.key));
    values.emplace_back("log_columns", walk::log_columns(transfer.key));
    values.emplace_back("columns", key_of(transfer, "changed"));
    values.emplace_back("new_row", key_of(transfer, "NEW"));
    values.emplace_back("old_row", key_of(transfer, "OLD"));
    values.emplace_back("key_changed", key_changed(transfer));
    const bool history = keeps_history(transfer);
    values.emplace_back("born", history ? ", born bigint" : "");
    values.emplace_back("from_columns", from_columns(transfer, true));
    values.emplace_back("from_names", from_columns(transfer, false));
    values.emplace_back("events", quote_literal(transfer.events().sql()));
    values.emplace_back("updated", history ? "capture_updated" : "capture_inserted");
    values.emplace_back("inserted_row", history ? "capture_born" : "capture_new_key");
    values.emplace_back("rekeyed", history ? "capture_rekeyed" : "capture_old_key");
    values.emplace_back("quote", quote_tag(values));
    return values;
}

}  // namespace

awaitable<std::string> owner_of_job(pg::connection& session, const transfer::spec& transfer) {
    const pg::result row = co_await session.query(
        "SELECT quote_ident(pg_get_userbyid(nspowner)) FROM pg_namespace WHERE nspname = $1", transfer.schema);
    if (row.empty()) {
        throw error(
            exit_code::failed,
            fmt::format("schema {} of the job was dropped by someone else", display_identifier(transfer.schema)),
            "remove what is left of this job with: pgeist cleanup, and run again");
    }
    co_return row.text(0, 0);
}

std::string trigger_prefix(const transfer::spec& transfer) { return transfer.schema; }

std::string log_sql(const transfer::spec& transfer) {
    const auto values = placeholders(transfer);
    std::string sql = fill_template(templates::log, values) + fill_template(templates::capture_functions, values);
    if (keeps_history(transfer)) {
        sql += fill_template(templates::keep_history, values) + fill_template(templates::arrivals, values);
    }
    return sql;
}

std::string log_anew_sql(const transfer::spec& transfer) {
    return fill_template(templates::log_anew, placeholders(transfer));
}

std::string log_whole_sql(const transfer::spec& transfer) {
    return fill_template(templates::log_whole, placeholders(transfer));
}

namespace {

std::string create_triggers_sql(const transfer::spec& transfer) {
    const auto values = placeholders(transfer);
    const std::string_view kind = transfer.row_triggers ? templates::capture_row : templates::capture_statement;
    return fill_template(kind, values) + fill_template(templates::capture_common, values);
}

/// All triggers `ENABLE ALWAYS` or `DISABLE`.
std::string state_sql(const transfer::spec& transfer, const char* state) {
    auto values = placeholders(transfer);
    values.emplace_back("state", state);
    return fill_template(templates::capture_state, values);
}

transfer::spec reading_from(const transfer::spec& transfer, const qualified_name& table) {
    transfer::spec there = transfer;
    there.read.name = table;
    return there;
}

}  // namespace

std::string triggers_sql(const transfer::spec& transfer) {
    return create_triggers_sql(transfer) + "\n" + state_sql(transfer, "ENABLE ALWAYS") + ";\n";
}

std::string dormant_triggers_sql(const transfer::spec& transfer, const qualified_name& table) {
    const transfer::spec there = reading_from(transfer, table);
    return create_triggers_sql(there) + "\n" + state_sql(there, "DISABLE") + ";\n";
}

std::string enable_sql(const transfer::spec& transfer, const qualified_name& table) {
    return state_sql(reading_from(transfer, table), "ENABLE ALWAYS");
}

std::string switch_off_sql(const transfer::spec& transfer) {
    std::string sql;
    const auto add = [&](const char* function) {
        sql +=
            fill_template(templates::capture_off, {{"job", quote_identifier(transfer.schema)}, {"function", function}});
    };
    std::for_each(functions.begin(), functions.end(), add);
    if (keeps_history(transfer)) {
        std::for_each(history_functions.begin(), history_functions.end(), add);
    }
    return sql;
}

awaitable<bool> is_switched_off(pg::connection& session, const transfer::spec& transfer) {
    const pg::result row = co_await session.query(
        "SELECT EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = $1 AND "
        "p.proname = 'capture_deleted' AND p.prosrc !~ 'pgeist_log')",
        transfer.schema);
    co_return row.boolean(0, 0);
}

std::vector<pg::statement> drop_triggers(const transfer::spec& transfer, const qualified_name& table) {
    std::vector<pg::statement> drops;
    for (const char* kind : trigger_kinds) {
        const std::string name = fmt::format("{}_{}", trigger_prefix(transfer), kind);
        drops.push_back(
            {"dropping trigger " + name, fmt::format("DROP TRIGGER IF EXISTS {} ON {}", name, table.sql())});
    }
    return drops;
}

std::string drop_triggers_sql(const transfer::spec& transfer, const qualified_name& table) {
    std::string sql;
    for (const pg::statement& each : drop_triggers(transfer, table)) {
        sql += each.sql + "; ";
    }
    return sql;
}

awaitable<bool> in_place(pg::connection& session, const transfer::spec& transfer) {
    std::vector<std::string> names;
    for (const char* kind : trigger_kinds) {
        names.push_back(fmt::format("{}_{}", trigger_prefix(transfer), kind));
    }
    const pg::result row = co_await session.query(
        "SELECT count(*) FROM pg_trigger WHERE tgrelid = $1::bigint::oid AND tgname = ANY ($2::text[]) AND tgenabled = "
        "'A'",
        transfer.read.oid, pg::array_literal(names));
    co_return row.integer(0, 0) == static_cast<std::int64_t>(trigger_kinds.size());
}

awaitable<void> require_in_place(pg::connection& session, const transfer::spec& transfer) {
    const bool captured = co_await in_place(session, transfer);
    if (!captured) {
        throw error(
            exit_code::failed,
            fmt::format("pgeist's triggers on {} were dropped or disabled by someone else",
                        transfer.read.name.display()),
            "nothing was swapped, the source table is untouched; remove this job with: pgeist cleanup, and run again");
    }
}

awaitable<std::int64_t> truncations(pg::connection& session, const transfer::spec& transfer) {
    std::string sql = "SELECT count(*) FROM " + transfer.truncations().sql();
    const pg::result row = co_await session.query(std::move(sql));
    co_return row.integer(0, 0);
}

awaitable<std::int64_t> log_bytes(pg::connection& session, const transfer::spec& transfer) {
    const pg::result row =
        co_await session.query("SELECT coalesce(pg_table_size(to_regclass($1)), 0)", transfer.log().sql());
    co_return row.integer(0, 0);
}

}  // namespace pgeist::capture
