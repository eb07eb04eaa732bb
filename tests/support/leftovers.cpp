#include "support/leftovers.hpp"

#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

// $1: name of a schema to overlook, or NULL.
constexpr const char* find_objects = R"(
    WITH ours AS (
        SELECT oid, nspname FROM pg_namespace WHERE nspname LIKE 'pgeist%' AND nspname IS DISTINCT FROM $1
    ), overlooked AS (
        SELECT oid FROM pg_namespace WHERE nspname = $1
    )
    SELECT 'schema ' || nspname FROM ours
    UNION ALL
    SELECT 'relation ' || c.oid::regclass::text FROM pg_class c
    WHERE (c.relnamespace IN (SELECT oid FROM ours) OR c.relname LIKE 'pgeist%')
      AND c.relnamespace NOT IN (SELECT oid FROM overlooked)
    UNION ALL
    SELECT 'function ' || p.oid::regprocedure::text FROM pg_proc p
    WHERE (p.pronamespace IN (SELECT oid FROM ours) OR p.proname LIKE 'pgeist%')
      AND p.pronamespace NOT IN (SELECT oid FROM overlooked)
    UNION ALL
    SELECT 'trigger ' || t.tgname || ' on ' || t.tgrelid::regclass::text
    FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_class c ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND (t.tgname LIKE 'pgeist%' OR p.proname LIKE 'pgeist%'
      OR p.pronamespace IN (SELECT oid FROM pg_namespace WHERE nspname LIKE 'pgeist%'))
      AND c.relnamespace NOT IN (SELECT oid FROM ours) AND c.relnamespace NOT IN (SELECT oid FROM overlooked)
    UNION ALL
    SELECT 'constraint ' || conname || ' on ' || conrelid::regclass::text FROM pg_constraint
    WHERE conname LIKE 'pgeist%' AND connamespace NOT IN (SELECT oid FROM ours)
      AND connamespace NOT IN (SELECT oid FROM overlooked)
    UNION ALL
    SELECT 'publication ' || pubname FROM pg_publication WHERE pubname LIKE 'pgeist%'
    UNION ALL
    SELECT 'event trigger ' || evtname FROM pg_event_trigger WHERE evtname LIKE 'pgeist%'
    UNION ALL
    SELECT 'invalid index ' || indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid
    UNION ALL
    SELECT 'prepared transaction ' || gid FROM pg_prepared_xacts WHERE database = current_database()
    UNION ALL
    SELECT 'advisory lock ' || classid || ',' || objid FROM pg_locks
    WHERE locktype = 'advisory' AND NOT (classid = 7001 AND objsubid = 2)
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    UNION ALL
    SELECT 'session ' || application_name FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'pgeist%'
    ORDER BY 1)";

std::vector<std::string> find_settled(sync_connection& connection, const field& overlooked) {
    std::vector<std::string> found;
    const auto look = [&] {
        found.clear();
        for (const row& line : connection.query(find_objects, {overlooked}).rows) {
            found.push_back(line[0].value_or("?"));
        }
        return found.empty();
    };
    try {
        // A backend outlives its client by a moment, and its locks with it.
        wait_for("a clean database", look, std::chrono::seconds(3));
    } catch (const wait_failed&) {
        // What is still there is the answer.
    }
    return found;
}

}  // namespace

std::vector<std::string> objects_left_behind(sync_connection& connection) {
    return find_settled(connection, std::nullopt);
}

std::vector<std::string> objects_left_besides_history(sync_connection& connection) {
    return find_settled(connection, "pgeist");
}

}  // namespace pgeist::test
