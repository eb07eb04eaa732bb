#pragma once

#include <optional>

#include "pgeist/core/deadline.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "pgeist/transfer/shared/workspace.hpp"

namespace pgeist::transfer {

/// Waiting for strong locks on tables of the job's own. Nobody else has any business there, but a dump of the whole
/// database comes to them too, and keeps them until it ends.
class own_tables_wait {
public:
    explicit own_tables_wait(workspace& work);

    /// SQL for the beginning of each transaction: it waits longer than an autovacuum in the way takes to be ended.
    [[nodiscard]] static std::string timeout_sql();

    /// After one that was not to be had: tells who is in the way. @throws error (lock_not_obtained) that names him when
    /// --swap-max-wait is over
    [[nodiscard]] awaitable<void> tell(pg::connection& session);

private:
    workspace* work_;
    std::optional<deadline::clock::time_point> began_;  ///< to wait; the work itself may take hours before that
    deadline::clock::time_point next_told_;
};

template <class Body>
[[nodiscard]] awaitable<void> with_timeout(pg::connection& session, const Body& body) {
    co_await session.execute(own_tables_wait::timeout_sql());
    co_await body();
}

/// job::in_tenure() for what takes strong locks on tables of the job's own: tried anew, and told, for as long as
/// somebody holds one of them. `body` may be run several times, each time in a transaction of its own.
template <class Body>
[[nodiscard]] awaitable<void> in_tenure_alone(workspace& work, pg::connection& session, const Body& body) {
    own_tables_wait wait(work);
    const auto bounded = [&] { return with_timeout(session, body); };
    bool blocked = true;
    while (blocked) {
        blocked = false;
        try {
            co_await job::in_tenure(session, work.tenure(), pg::isolation::read_committed, bounded);
        } catch (const pg::sql_error& problem) {
            blocked = problem.is(pg::sqlstate::lock_not_available);
            if (!blocked) {
                throw;
            }
        }
        if (blocked) {
            co_await wait.tell(session);
        }
    }
}

}  // namespace pgeist::transfer
