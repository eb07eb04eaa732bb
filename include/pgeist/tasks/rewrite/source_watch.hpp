#pragma once

#include "pgeist/build/workspace.hpp"
#include "pgeist/core/deadline.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/task/kind.hpp"

namespace pgeist::rewrite {

/// Looks now and then, over one session, whether others have changed the source under the run, and whether the change
/// log has grown beyond --max-log-size.
class source_watch {
public:
    /// All outlive this object.
    source_watch(build::workspace& work, const task::kind& kind, const task::controls& steering);

    /// Does what is due in phase `now`.
    /// @throws error naming what was changed, or that the log is too large; pg::sql_error, timed_out when the session
    /// is lost
    [[nodiscard]] awaitable<void> look(pg::connection& session, const task::phase& now);

private:
    [[nodiscard]] awaitable<void> check_source(pg::connection& session, const task::phase& looked_in);
    [[nodiscard]] awaitable<void> check_log_size(pg::connection& session);

    build::workspace* work_;
    const task::kind* kind_;
    const task::controls* steering_;
    deadline::clock::time_point next_check_;
    deadline::clock::time_point next_size_;
};

}  // namespace pgeist::rewrite
