#pragma once

#include "pgeist/build/workspace.hpp"
#include "pgeist/core/deadline.hpp"
#include "pgeist/job/identity.hpp"
#include "pgeist/job/phase.hpp"
#include "pgeist/pg/connection.hpp"

namespace pgeist::run {

/// Looks now and then, over one session, whether others have changed the source under the run, and how far the server's
/// WAL has come, by which it is known again after its connection was lost.
class source_watch {
public:
    /// `reached` is the phase the run is in; both outlive this object.
    source_watch(build::workspace& work, job::identity& known, const job::phase& reached);

    /// Does what is due.
    /// @throws error naming what was changed; pg::sql_error, timed_out when the session is lost
    [[nodiscard]] awaitable<void> look(pg::connection& session);

private:
    [[nodiscard]] awaitable<void> check_source(pg::connection& session);
    [[nodiscard]] awaitable<void> note_progress_of_wal(pg::connection& session);

    build::workspace* work_;
    job::identity* known_;
    const job::phase* reached_;
    deadline::clock::time_point next_check_;
    deadline::clock::time_point next_note_;
};

}  // namespace pgeist::run
