#include "trial.hpp"

#include <fmt/format.h>

#include "pgeist/sql/foreign_key.hpp"
#include "pgeist/sql/policy.hpp"
#include "pgeist/sql/rule.hpp"
#include "pgeist/sql/trigger.hpp"
#include "pgeist/target/steps.hpp"

namespace pgeist::way_back {

namespace {

constexpr const char* fails = "the swap of {1} would fail at {0}";

using statements = std::vector<plan::statement>;

void add(statements& into, statements more) {
    for (plan::statement& each : more) {
        into.push_back(std::move(each));
    }
}

statements objects_of(const catalog::table& after, const qualified_name& trial) {
    statements all;
    for (const auto& each : after.policies) {
        add(all, sql::create_policy(after, each, trial));
    }
    for (const auto& each : after.rules) {
        add(all, sql::create_rule(after, each, trial));
    }
    for (const auto& each : after.triggers) {
        add(all, sql::create_trigger(after, each, trial));
    }
    return all;
}

/// The table at one end of a foreign key: the empty one itself, or what stands for another.
awaitable<qualified_name> end_of_key(target::build_context& played, std::int64_t oid) {
    qualified_name name = played.shadow;
    if (oid != played.source.oid) {
        const target::stand_in other = co_await target::stand_in_for(played, oid);
        name = other.name;
    }
    co_return name;
}

awaitable<void> try_keys(target::build_context& played, const std::vector<catalog::foreign_key>& keys) {
    for (const catalog::foreign_key& key : keys) {
        if (target::in_group(played, key.table_oid) != nullptr) {
            continue;  // tried with that one
        }
        const qualified_name table = co_await end_of_key(played, key.table_oid);
        const qualified_name referenced = co_await end_of_key(played, key.referenced_oid);
        statements made = sql::add_foreign_key(key, table, referenced, false);
        for (plan::statement& each : made) {
            each.label = "foreign key " + display_identifier(key.name);
        }
        co_await target::try_statements(played, std::move(made), fails);
    }
}

}  // namespace

awaitable<void> try_attached(target::build_context& at, const catalog::table& after) {
    target::build_context played(at.conn, after, at.change, at.job_schema);
    played.event_triggers = at.event_triggers;
    played.group = at.group;
    for (const target::stand_in& each : at.stand_ins) {
        if (each.in_group) {  // the table itself that waits there: the key is between two that come back
            played.stand_ins.push_back(each);
        }
    }
    played.shadow = {at.passage_schema, "pgeist_trial"};
    co_await target::begin_trial(at);
    statements all;
    all.push_back({"an empty table",
                   fmt::format("CREATE TABLE {} (LIKE {} INCLUDING INDEXES)", played.shadow.sql(), at.shadow.sql())});
    add(all, objects_of(after, played.shadow));
    co_await target::try_statements(at, std::move(all), fails);
    co_await try_keys(played, after.foreign_keys);
    co_await try_keys(played, after.referenced_by);
    co_await target::undo_trial(at);
}

}  // namespace pgeist::way_back
