// Who else is at work on the server, and how it is set up.

#include <map>

#include <fmt/format.h>

#include "parts.hpp"
#include "pgeist/pg/transaction.hpp"

namespace pgeist::lint {

namespace {

// Of the role in this database: this session's own are pgeist's.
constexpr const char* settings_sql = R"(
    WITH chosen AS (
        SELECT split_part(c, '=', 1) AS name, substr(c, strpos(c, '=') + 1) AS value,
               (setrole <> 0)::int * 2 + (setdatabase <> 0)::int AS weight
          FROM pg_db_role_setting, unnest(setconfig) AS c
         WHERE setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = session_user))
           AND setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())))
    SELECT pg_is_in_recovery() AS standby, has_database_privilege(current_database(), 'TEMPORARY') AS may_make,
           pg_backend_pid() AS pid,
           coalesce((SELECT value FROM chosen WHERE name = 'lock_timeout' ORDER BY weight DESC LIMIT 1),
                    (SELECT boot_val FROM pg_settings WHERE name = 'lock_timeout')) AS lock_timeout,
           coalesce((SELECT value FROM chosen WHERE name = 'statement_timeout' ORDER BY weight DESC LIMIT 1),
                    (SELECT boot_val FROM pg_settings WHERE name = 'statement_timeout')) AS statement_timeout,
           (SELECT count(*) FROM pg_stat_replication WHERE application_name IS DISTINCT FROM 'pg_basebackup') AS senders,
           (SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'logical' AND database = current_database())
             AS logical_slots,
           current_setting('max_locks_per_transaction')::bigint
             * (current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint)
             AS lock_slots,
           (SELECT setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size') AS kept_wal_mb)";

constexpr const char* others_sql = R"(
    SELECT a.pid, coalesce(a.usename, '') AS usename, coalesce(a.application_name, '') AS application_name,
           a.backend_type, extract(epoch FROM clock_timestamp() - a.xact_start) AS seconds,
           a.datname = current_database() AND a.backend_xmin IS NOT NULL AS old_snapshot, '' AS prepared
      FROM pg_stat_activity a
     WHERE a.pid <> pg_backend_pid() AND (a.datname = current_database() OR a.datname IS NULL)
    UNION ALL
    SELECT 0, p.owner, '', 'prepared', extract(epoch FROM clock_timestamp() - p.prepared), true, p.gid
      FROM pg_prepared_xacts p WHERE p.database = current_database())";

constexpr const char* locks_sql = R"(
    SELECT coalesce(l.pid, 0) AS pid, l.mode, n.nspname, c.relname,
           coalesce((SELECT p.gid FROM pg_prepared_xacts p
                      WHERE l.pid IS NULL AND l.virtualtransaction = '-1/' || p.transaction::text), '') AS prepared
      FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND n.nspname !~ '^pg_')";

constexpr const char* builders_sql = R"(
    SELECT p.pid, n.nspname, c.relname FROM pg_stat_progress_create_index p JOIN pg_class c ON c.oid = p.index_relid
      JOIN pg_namespace n ON n.oid = c.relnamespace WHERE p.datname = current_database())";

std::string who(const pg::result& rows, int row) {
    if (const std::string gid = rows.text(row, "prepared"); !gid.empty()) {
        return fmt::format("prepared transaction {} (of {})", gid, rows.text(row, "usename"));
    }
    const std::string user = rows.text(row, "usename");
    const std::string application = rows.text(row, "application_name");
    const std::string kind = rows.text(row, "backend_type");
    const bool client = kind.empty() || kind == "client backend";
    std::string text = fmt::format("pid {} (", rows.text(row, "pid"));
    text += client ? fmt::format("user {}", user) : kind;
    return text + (application.empty() ? ")" : fmt::format(", application {})", application));
}

using by_session = std::map<std::pair<std::int64_t, std::string>, bystander>;

awaitable<void> read_others(pg::connection& session, by_session& all, const probe::schema& known) {
    const auto others = co_await session.query(others_sql);
    for (int row = 0; row < others.rows(); ++row) {
        bystander& each = all[{others.integer(row, "pid"), others.text(row, "prepared")}];
        each.who = who(others, row);
        each.old_snapshot = others.boolean(row, "old_snapshot");
        if (!others.is_null(row, others.column("seconds"))) {
            each.seconds = others.number(row, "seconds");
        }
    }
    const auto locks = co_await session.query(locks_sql);
    for (int row = 0; row < locks.rows(); ++row) {
        const auto holder = all.find({locks.integer(row, "pid"), locks.text(row, "prepared")});
        const auto mode = probe::lock_mode_of(locks.text(row, "mode"));
        if (holder != all.end() && mode) {
            bystander::held held;
            held.relation = known.name_of({locks.text(row, "nspname"), locks.text(row, "relname")});
            held.mode = *mode;
            holder->second.locks.push_back(std::move(held));
        }
    }
    const auto builders = co_await session.query(builders_sql);
    for (int row = 0; row < builders.rows(); ++row) {
        const auto builder = all.find({builders.integer(row, "pid"), ""});
        if (builder != all.end()) {
            builder->second.building = known.name_of({builders.text(row, "nspname"), builders.text(row, "relname")});
        }
    }
}

awaitable<std::int64_t> in_milliseconds(pg::connection& session, std::string setting, std::string value) {
    const auto rows = co_await session.query("SELECT set_config($1, $2, true)", setting, value);
    static_cast<void>(rows);
    const auto read = co_await session.query("SELECT setting::bigint FROM pg_settings WHERE name = $1", setting);
    co_return read.integer(0, 0);
}

awaitable<void> read_settings(pg::connection& session, server_facts& into) {
    const auto rows = co_await session.query(settings_sql);
    into.standby = rows.boolean(0, "standby");
    into.standbys = static_cast<int>(rows.integer(0, "senders"));
    into.logical_slots = static_cast<int>(rows.integer(0, "logical_slots"));
    into.lock_slots = rows.integer(0, "lock_slots");
    const std::int64_t megabytes = rows.integer(0, "kept_wal_mb");
    into.kept_wal = megabytes < 0 ? -1 : megabytes * 1024 * 1024;
    into.pooler = rows.integer(0, "pid") != session.backend_pid();
    if (into.standby) {
        into.nothing_tried = "it is a standby; catalogs and sizes are its own";
    } else if (into.pooler) {
        into.nothing_tried = "a pooler stands in between";
    } else if (!rows.boolean(0, "may_make")) {
        into.nothing_tried = "the role may not make temporary tables in this database";
    }
    into.lock_timeout = co_await in_milliseconds(session, "lock_timeout", rows.text(0, "lock_timeout"));
    into.statement_timeout = co_await in_milliseconds(session, "statement_timeout", rows.text(0, "statement_timeout"));
}

}  // namespace

awaitable<void> look_around(pg::connection& session, server_facts& into) {
    const auto settings = [&] { return read_settings(session, into); };
    co_await pg::rolled_back(session, settings);
}

awaitable<void> look_at_others(pg::connection& session, server_facts& into) {
    by_session all;
    const auto others = [&] { return read_others(session, all, into.schema); };
    co_await pg::rolled_back(session, others);
    for (auto& [key, each] : all) {
        if (each.old_snapshot || !each.locks.empty() || !each.building.empty()) {
            into.others.push_back(std::move(each));
        }
    }
}

}  // namespace pgeist::lint
