#include "pgeist/transfer/capture/capture.hpp"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/core/template.hpp"
#include "pgeist/templates.hpp"
#include "pgeist/transfer/read_side.hpp"
#include "pgeist/transfer/touched.hpp"
#include "pgeist/walk/key_sql.hpp"
#include "pgeist/walk/key_values.hpp"

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

/// `type, type` of the key's columns.
std::string key_types(const transfer::spec& transfer) {
    std::vector<std::string> types;
    for (const walk::key_column& column : transfer.key.columns) {
        types.push_back(column.type);
    }
    return join(types, ", ");
}

/// `$1, $2`: as many as the key has columns.
std::string parameters(const transfer::spec& transfer, std::size_t first) {
    std::vector<std::string> all;
    for (std::size_t at = 0; at < transfer.key.columns.size(); ++at) {
        all.push_back(fmt::format("${}", first + at));
    }
    return join(all, ", ");
}

/// True where a column of the key is not what it is called here: the one cheap question about names that never fails.
std::string moved(const transfer::spec& transfer, const key_numbers& numbers) {
    std::vector<std::string> conditions;
    for (std::size_t at = 0; at < transfer.key.columns.size(); ++at) {
        conditions.push_back(fmt::format(
            "(pg_identify_object_as_address('pg_class'::regclass, TG_RELID, {})).object_names[3] IS DISTINCT FROM {}",
            numbers.at(at), quote_literal(transfer.key.columns[at].read_name)));
    }
    return join(conditions, " OR ");
}

/// How the trigger for new rows goes on.
std::string on_insert(const transfer::spec& transfer) {
    const std::string job = quote_identifier(transfer.schema);
    if (transfer.row_triggers) {
        return fmt::format("FOR EACH ROW WHEN ({0}.{1}({2})) EXECUTE FUNCTION {0}.capture_nothing()", job,
                           keeps_history(transfer) ? "capture_birth" : "capture_key", key_of(transfer, "NEW"));
    }
    return fmt::format("REFERENCING NEW TABLE AS pgeist_new FOR EACH STATEMENT EXECUTE FUNCTION {}.{}()", job,
                       keeps_history(transfer) ? "capture_born" : "capture_inserted");
}

/// What the log has beside the key.
std::string beside_the_key(const transfer::spec& transfer) {
    std::string columns = keeps_history(transfer) ? ", born pg_lsn" : "";
    if (transfer::logs_touched(transfer)) {
        columns += fmt::format(", touched bit({}), number pg_lsn", transfer::touched_bits(transfer));
    }
    return columns;
}

/// Asked of each row that is updated: logs the key before where the key changes, and what is touched. In which order
/// the sides of an AND are asked is the server's choice, though it takes the first one first: a key that has not
/// changed may be logged, and a link from a key to itself means nothing. CASE would be dearer, for each statement.
std::string on_update(const transfer::spec& transfer) {
    const std::string job = quote_identifier(transfer.schema);
    const std::string rekeyed =
        keeps_history(transfer) ? fmt::format("capture_link({}, {})", key_of(transfer, "NEW"), key_of(transfer, "OLD"))
                                : fmt::format("capture_key({})", key_of(transfer, "OLD"));
    const std::string key = fmt::format("{} AND {}.{}", key_changed(transfer), job, rekeyed);
    if (!transfer::logs_touched(transfer)) {
        return key;
    }
    return fmt::format("CASE WHEN {} THEN true WHEN {} THEN {}.capture_touched({}, {}) ELSE false END", key,
                       transfer::touches(transfer), job, key_of(transfer, "NEW"),
                       transfer::touched_by_change(transfer));
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

std::vector<std::pair<std::string, std::string>> placeholders(const transfer::spec& transfer) {
    std::vector<std::pair<std::string, std::string>> values;
    values.emplace_back("job", quote_identifier(transfer.schema));
    values.emplace_back("job_name", quote_literal(transfer.schema));
    values.emplace_back("table", transfer.read.name.sql());
    values.emplace_back("prefix", trigger_prefix(transfer));
    values.emplace_back("key_columns", walk::log_column_definitions(transfer.key));
    values.emplace_back("log_columns", walk::log_columns(transfer.key));
    values.emplace_back("columns", key_of(transfer, "changed"));
    values.emplace_back("key_types", key_types(transfer));
    values.emplace_back("key_values", parameters(transfer, 1));
    values.emplace_back("from_values", parameters(transfer, 1 + transfer.key.columns.size()));
    values.emplace_back("new_row", key_of(transfer, "NEW"));
    values.emplace_back("old_row", key_of(transfer, "OLD"));
    values.emplace_back("key_changed", key_changed(transfer));
    values.emplace_back("beside_the_key", beside_the_key(transfer));
    values.emplace_back("from_columns", from_columns(transfer, true));
    values.emplace_back("from_names", from_columns(transfer, false));
    values.emplace_back("links", quote_literal(transfer.links().sql()));
    values.emplace_back("oid", std::to_string(transfer.read.oid));
    values.emplace_back("same_key", walk::log_equals_log(transfer.key, "a", "b"));
    values.emplace_back("on_insert", on_insert(transfer));
    values.emplace_back("on_update", on_update(transfer));
    values.emplace_back("touched_value", fmt::format("${}", 1 + transfer.key.columns.size()));
    values.emplace_back("touched_bits", std::to_string(transfer::touched_bits(transfer)));
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
            "remove what is left of this job with: pgeist cleanup, and begin anew");
    }
    co_return row.text(0, 0);
}

std::string trigger_prefix(const transfer::spec& transfer) { return transfer.schema; }

awaitable<key_numbers> read_key_numbers(pg::connection& session, const transfer::spec& transfer, qualified_name table) {
    std::vector<std::string> names;
    for (const walk::key_column& column : transfer.key.columns) {
        names.push_back(column.read_name);
    }
    const pg::result rows = co_await session.query(
        "SELECT a.attnum FROM unnest($2::text[]) WITH ORDINALITY AS k (name, at) JOIN pg_attribute a ON a.attname = "
        "k.name AND a.attrelid = to_regclass($1) ORDER BY k.at",
        table.sql(), pg::array_literal(names));
    key_numbers numbers;
    for (int row = 0; row < rows.rows(); ++row) {
        numbers.push_back(rows.integer(row, 0));
    }
    if (numbers.size() != names.size()) {
        throw error(exit_code::failed, fmt::format("{} has not the columns of its key any more", table.display()),
                    "try again");
    }
    co_return numbers;
}

std::string log_sql(const transfer::spec& transfer, const key_numbers& numbers) {
    auto values = placeholders(transfer);
    values.emplace_back("moved", moved(transfer, numbers));
    std::string sql = fill_template(templates::log, values) + fill_template(templates::capture_functions, values);
    if (keeps_history(transfer)) {
        sql += fill_template(templates::keep_history, values) + fill_template(templates::arrivals, values) +
               fill_template(templates::births_before_links, values);
    }
    if (transfer::logs_touched(transfer)) {
        sql += fill_template(templates::keep_touched, values);
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

awaitable<void> ensure_functions(pg::connection& session, const transfer::spec& transfer) {
    const pg::result there = co_await session.query("SELECT to_regprocedure($1 || '.capture_nothing()') IS NOT NULL",
                                                    quote_identifier(transfer.schema));
    if (there.boolean(0, 0)) {
        co_return;
    }
    const key_numbers numbers = co_await read_key_numbers(session, transfer, transfer.read.name);
    auto values = placeholders(transfer);
    values.emplace_back("moved", moved(transfer, numbers));
    co_await session.execute(
        fmt::format("ALTER TABLE {} ADD COLUMN IF NOT EXISTS missed boolean NOT NULL DEFAULT false; ",
                    transfer.truncations().sql()) +
        fill_template(templates::capture_functions, values));
}

std::string switch_off_sql(const transfer::spec& transfer) {
    return fill_template(templates::capture_off, {{"schema", quote_literal(transfer.schema)}});
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

std::string not_missed(const transfer::spec& transfer) { return transfer.sets_apart ? " WHERE NOT missed" : ""; }

namespace {

awaitable<std::optional<std::string>> what_was_missed(pg::connection& session, const transfer::spec& transfer) {
    std::string sql = fmt::format("SELECT EXISTS (SELECT FROM {} WHERE missed)", transfer.truncations().sql());
    const pg::result row = co_await session.query(std::move(sql));
    std::optional<std::string> why;
    if (row.boolean(0, 0)) {
        why = fmt::format(
            "a column of the key of {} was renamed, or dropped, by someone else, and rows were written since",
            transfer.read.name.display());
    }
    co_return why;
}

}  // namespace

awaitable<std::optional<std::string>> why_not_in_place(pg::connection& session, const transfer::spec& transfer) {
    pg::inquiry ask(session, std::vector<std::int64_t>(1, transfer.read.oid));
    auto why = co_await why_not_in_place(ask, transfer);
    co_return why;
}

awaitable<std::optional<std::string>> why_not_in_place(pg::inquiry& ask, const transfer::spec& transfer) {
    // What row triggers call by their conditions is in the schema of the functions that they execute.
    const pg::result rows = co_await ask.ask(
        "SELECT t.tgname, t.tgenabled = 'A' AS always, t.xmin::text AS version, n.nspname, EXISTS (SELECT FROM pg_proc "
        "f "
        "WHERE f.pronamespace = n.oid AND f.proname = 'capture_deleted' AND f.prosrc ~ 'pgeist_log' OFFSET 0) AS logs "
        "FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace WHERE "
        "t.tgrelid = $1 AND NOT t.tgisinternal",
        transfer.read.oid);
    std::set<std::string> names;
    for (const char* kind : trigger_kinds) {
        names.insert(fmt::format("{}_{}", trigger_prefix(transfer), kind));
    }
    std::size_t always = 0;
    std::set<std::string> versions;
    bool logs = false;
    for (int row = 0; row < rows.rows(); ++row) {
        if (names.count(rows.text(row, "tgname")) != 0 && rows.boolean(row, "always")) {
            ++always;
            // Whoever disables one and enables it again leaves it with another version than the others have.
            versions.insert(rows.text(row, "version"));
            logs = logs || (rows.text(row, "nspname") == transfer.schema && rows.boolean(row, "logs"));
        }
    }
    std::optional<std::string> why;
    if (always != trigger_kinds.size() || versions.size() != 1) {
        why = fmt::format("pgeist's triggers on {} were dropped or disabled by someone else",
                          transfer.read.name.display());
    } else if (!logs) {
        why = fmt::format("what is written to {} is not logged any more", transfer.read.name.display());
    } else if (transfer.sets_apart) {
        why = co_await what_was_missed(ask.session(), transfer);
    }
    co_return why;
}

awaitable<bool> in_place(pg::connection& session, const transfer::spec& transfer) {
    const auto why = co_await why_not_in_place(session, transfer);
    co_return !why;
}

awaitable<void> require_in_place(pg::connection& session, const transfer::spec& transfer) {
    pg::inquiry ask(session, std::vector<std::int64_t>(1, transfer.read.oid));
    co_await require_in_place(ask, transfer);
}

awaitable<void> require_in_place(pg::inquiry& ask, const transfer::spec& transfer) {
    auto why = co_await why_not_in_place(ask, transfer);
    if (why) {
        throw error(
            exit_code::failed, std::move(*why),
            fmt::format("nothing was swapped, the source table is untouched; {}", transfer::what_next(transfer)));
    }
}

std::string truncations_sql(const transfer::spec& transfer) {
    return "SELECT count(*) FROM " + transfer.truncations().sql() + not_missed(transfer);
}

awaitable<std::int64_t> truncations(pg::connection& session, const transfer::spec& transfer) {
    const pg::result row = co_await session.query(truncations_sql(transfer));
    co_return row.integer(0, 0);
}

awaitable<std::int64_t> log_bytes(pg::connection& session, const transfer::spec& transfer) {
    const pg::result row = co_await session.query(
        "SELECT coalesce(pg_table_size(to_regclass($1)), 0) + coalesce(pg_table_size(to_regclass($2)), 0)",
        transfer.log().sql(), transfer.births().sql());
    co_return row.integer(0, 0);
}

}  // namespace pgeist::capture
