#include <algorithm>

#include <fmt/format.h>

#include "pgeist/pg/transaction.hpp"
#include "trial_parts.hpp"

namespace pgeist::probe {

namespace {

constexpr const char* session_sql = R"(
    SELECT pg_is_in_recovery() AS standby, has_database_privilege(current_database(), 'TEMPORARY') AS may_make,
           current_setting('is_superuser') = 'on' AS superuser)";

// What the user has on is fired by what we make, and may write, refuse or log. Login is no matter of ours.
constexpr const char* event_triggers_sql = R"(
    SELECT quote_ident(evtname) AS name, evtenabled::text AS enabled FROM pg_event_trigger
     WHERE evtenabled IN ('O', 'A') AND evtevent <> 'login' ORDER BY evtname)";

constexpr int first_with_event_triggers_off = 17;

/// Those would stop the trial, or change what pgeist relies on.
constexpr const char* not_taken_over[] = {
    "lock_timeout",         "statement_timeout",        "transaction_timeout", "idle_in_transaction_session_timeout",
    "client_min_messages",  "session_replication_role", "event_triggers",      "role",
    "idle_session_timeout", "session_authorization"};

awaitable<void> silence_event_triggers(stage& at, bool superuser) {
    const auto rows = co_await at.session.query(event_triggers_sql);
    for (int row = 0; row < rows.rows(); ++row) {
        const bool by_setting = at.session.server_major() >= first_with_event_triggers_off;
        if (!superuser || (!by_setting && rows.text(row, "enabled") == "A")) {
            throw nothing_tried(fmt::format("event trigger {} would be fired, and cannot be switched off here",
                                            rows.text(row, "name")));
        }
        at.quiet = by_setting ? "SET LOCAL event_triggers TO off; " : "SET LOCAL session_replication_role TO replica; ";
        at.assumptions.push_back(fmt::format("event trigger {} does not mind", rows.text(row, "name")));
    }
}

std::string settings_sql(const std::vector<std::pair<std::string, std::string>>& settings) {
    std::string sql = "SET LOCAL search_path TO DEFAULT; SET LOCAL default_table_access_method TO DEFAULT";
    for (const auto& [name, value] : settings) {
        const bool left_out = std::any_of(std::begin(not_taken_over), std::end(not_taken_over),
                                          [&, wanted = name](const char* each) { return wanted == each; });
        if (!left_out) {
            sql +=
                fmt::format("; SELECT pg_catalog.set_config({}, {}, true)", quote_literal(name), quote_literal(value));
        }
    }
    return sql;
}

awaitable<void> read_search_path(stage& at) {
    co_await at.session.execute(at.settings);
    const auto rows = co_await at.session.query(
        "SELECT pg_catalog.current_setting('search_path'), pg_catalog.current_schemas(false)");
    at.search_path = rows.text(0, 0);
    at.visible_schemas = rows.array(0, 1);
}

awaitable<void> execute_both(stage& at, std::string before, std::string script) {
    co_await at.session.execute(std::move(before));
    co_await at.session.execute(std::move(script));
}

}  // namespace

awaitable<void> open_stage(stage& at, std::vector<std::pair<std::string, std::string>> settings) {
    const auto session = co_await at.session.query(session_sql);
    if (session.boolean(0, "standby")) {
        throw nothing_tried("a standby makes no stand-ins");
    }
    if (!session.boolean(0, "may_make")) {
        throw nothing_tried("the role may not make temporary tables in this database");
    }
    co_await silence_event_triggers(at, session.boolean(0, "superuser"));
    at.quiet += "SET LOCAL temp_tablespaces TO ''; SET LOCAL default_tablespace TO ''";
    at.settings = settings_sql(settings);
    const auto read = [&] { return read_search_path(at); };
    co_await pg::rolled_back(at.session, read);
    std::erase(at.visible_schemas, "pg_catalog");
    at.default_schema = at.visible_schemas.empty() ? "public" : at.visible_schemas.front();
}

awaitable<void> run_script(stage& at, std::string script) {
    // Operators that the server prints without their schema are found where the user finds them.
    const std::string path = at.search_path.empty() ? "pg_catalog" : "pg_catalog, " + at.search_path;
    const std::string before =
        fmt::format("{}; SELECT pg_catalog.set_config('search_path', {}, true)", at.quiet, quote_literal(path));
    at.made = true;
    const auto body = [&] { return execute_both(at, before, script); };
    co_await pg::transaction(at.session, pg::isolation::read_committed, body);
}

awaitable<building> plan_stand_ins(stage& at) {
    building all;
    if (!at.types.empty()) {
        std::string types = co_await type_scripts(at);
        all.push_back(std::move(types));
    }
    if (!at.sequences.empty()) {
        std::string sequences = co_await sequence_scripts(at);
        all.push_back(std::move(sequences));
    }
    scripts first;
    scripts later;
    scripts last;
    scripts owned;
    co_await add_sequences(at, first, owned);
    co_await add_tables(at, first);
    co_await add_checks(at, first);
    for (const auto& [oid, script] : owned) {
        first[oid] += script;
    }
    co_await add_indexes(at, first, later);
    co_await add_foreign_keys(at, last);
    co_await add_statistics(at, last);
    co_await add_triggers(at, last);
    std::string attached;
    for (const real_relation& each : at.relations) {
        all.push_back(first[each.oid]);
        if (each.is_partition) {
            attached +=
                fmt::format("ALTER TABLE {} ATTACH PARTITION {} {};",
                            in_temp(at.find(each.parents.front())->trial_name), in_temp(each.trial_name), each.bound);
        }
    }
    all.push_back(std::move(attached));
    for (const scripts* each : {&later, &last}) {
        for (const real_relation& of : at.relations) {
            const auto found = each->find(of.oid);
            if (found != each->end()) {
                all.push_back(found->second);
            }
        }
    }
    std::erase_if(all, [](const std::string& script) { return script.empty(); });
    co_return all;
}

}  // namespace pgeist::probe
