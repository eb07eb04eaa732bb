#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "pgeist/job/record.hpp"
#include "pgeist/pg/connection.hpp"

namespace pgeist::job {

/// The job that is steered, resumed and cleaned up in a job's place: the one of which it is a step, or the first one of
/// its group. Its own number where it is none, and where there is no such job. To be asked under guard_state() where
/// the state may be somebody else's.
[[nodiscard]] awaitable<std::int64_t> leader_of(pg::connection& session, std::int64_t job);
/// The job that leads the group that this one is in, whatever the group may be a step of; itself when it is in none.
[[nodiscard]] awaitable<std::int64_t> head_of_group(pg::connection& session, std::int64_t job);
/// The jobs that are steps of this one, oldest first.
[[nodiscard]] awaitable<std::vector<std::int64_t>> children_of(pg::connection& session, std::int64_t job);
/// The jobs of tables that are exchanged together with this one's, whose job leads them; oldest first.
[[nodiscard]] awaitable<std::vector<std::int64_t>> others_of_group(pg::connection& session, std::int64_t leader);
/// What is stored of them. @throws error (refused) when one is of another version
[[nodiscard]] awaitable<std::vector<record>> load_others_of_group(pg::connection& session, std::int64_t leader);
/// Makes jobs a group, of which the first one leads, in the transaction that makes them.
[[nodiscard]] awaitable<void> make_group(pg::connection& session, std::vector<std::int64_t> jobs);
/// The job that does this step of another; nothing where none was made.
[[nodiscard]] awaitable<std::optional<std::int64_t>> find_child(pg::connection& session, std::int64_t parent, int step);
/// Makes a job a step of another, in the transaction that makes it.
[[nodiscard]] awaitable<void> make_child(pg::connection& session, std::int64_t job, std::int64_t parent, int step);

}  // namespace pgeist::job
