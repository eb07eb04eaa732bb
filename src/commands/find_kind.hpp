#pragma once

#include <cstdint>
#include <string>

#include "pgeist/job/family.hpp"
#include "pgeist/job/record.hpp"
#include "pgeist/job/state_schema.hpp"
#include "pgeist/job/state_trust.hpp"
#include "pgeist/tasks/registry.hpp"

namespace pgeist::commands {

/// The job that is meant where this one is named: that of which it is a step. In no transaction; brings the state up to
/// date.
[[nodiscard]] inline awaitable<std::int64_t> find_leader(pg::connection& session, std::int64_t job) {
    co_await job::bring_state_up_to_date(session);
    const auto reading = [&] { return job::leader_of(session, job); };
    const std::int64_t leader = co_await job::guarded(session, reading);
    co_return leader;
}

/// The job that leads the group of this one; itself when it is in none. Otherwise as find_leader().
[[nodiscard]] inline awaitable<std::int64_t> find_head(pg::connection& session, std::int64_t job) {
    co_await job::bring_state_up_to_date(session);
    const auto reading = [&] { return job::head_of_group(session, job); };
    const std::int64_t head = co_await job::guarded(session, reading);
    co_return head;
}

/// The kind of a job's work, once the state is up to date; in no transaction. The state may be somebody else's: it is
/// read under job::guard_state().
/// @throws error (refused) when there is no such job, or this version does not know its kind
[[nodiscard]] inline awaitable<const task::kind*> find_kind(pg::connection& session, std::int64_t job) {
    co_await job::bring_state_up_to_date(session);
    const auto reading = [&] { return job::kind_of(session, job); };
    const std::string name = co_await job::guarded(session, reading);
    co_return &tasks::kind_named(name, job);
}

}  // namespace pgeist::commands
