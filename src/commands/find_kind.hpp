#pragma once

#include <cstdint>

#include "pgeist/job/record.hpp"
#include "pgeist/job/state_schema.hpp"
#include "pgeist/tasks/registry.hpp"

namespace pgeist::commands {

/// The kind of a job's work, once the state is up to date.
/// @throws error (refused) when there is no such job, or this version of pgeist does not know its kind
[[nodiscard]] inline awaitable<const task::kind*> find_kind(pg::connection& session, std::int64_t job) {
    co_await job::bring_state_up_to_date(session);
    const std::string name = co_await job::kind_of(session, job);
    co_return &tasks::kind_named(name);
}

}  // namespace pgeist::commands
