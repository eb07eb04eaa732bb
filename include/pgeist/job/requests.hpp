#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/job/tenure.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/report/observer.hpp"
#include "pgeist/settings/settings.hpp"

namespace pgeist::job {

/// What other sessions asked of a job through its row.
struct control_request {
    bool paused = false;
    bool swap = false;  ///< `pgeist swap`: do not postpone any longer
    bool cancel = false;
    bool leave = false;       ///< a command wants the job for itself: `pgeist revert`, `cleanup`
    std::int64_t verify = 0;  ///< number of the last `pgeist verify`: compare again before the swap
    std::string by;           ///< who asked last
    std::int64_t number = 0;  ///< counts what was asked for
    /// `pgeist set`.
    struct change {
        std::int64_t number = 0;
        std::string name;
        std::string value;
        std::string by;
    };
    std::vector<change> values;  ///< in the order given
};

/// Tells the row how far the run is, and reads what others asked for. One statement.
struct heartbeat {
    std::int64_t rows_done = 0;
    std::int64_t rows_total = 0;
    std::int64_t log_pending = 0;
    std::optional<std::string> throttled;
    std::string state = "running";
    std::string figures = "{}";  ///< JSON object: rate, workers, chunk, lag, what it does, who is in the way
};
/// @throws error (already_running) when the job was taken on, or removed, by others
[[nodiscard]] awaitable<control_request> beat(pg::connection& session, tenure mine, heartbeat now);
/// Reads only what others asked for.
[[nodiscard]] awaitable<control_request> read_control(pg::connection& session, std::int64_t job);
/// Tells who asked that the request of this number, and all before it, is obeyed, and stores the settings it left.
/// @throws error (already_running) as require_tenure()
[[nodiscard]] awaitable<void> acknowledge(pg::connection& session, tenure mine, std::int64_t number, run::settings now);

/// What a comparison that `pgeist verify` asked for has found.
struct comparison {
    std::int64_t number = 0;  ///< of the request
    bool differs = false;
    std::string detail;  ///< for people
    report::verification counts;
};
[[nodiscard]] awaitable<void> answer_verify(pg::connection& session, tenure mine, comparison found);
/// The newest answer that a run has given; nothing when there is none yet.
[[nodiscard]] awaitable<std::optional<comparison>> last_comparison(pg::connection& session, std::int64_t job);

/// What is stored in `control`.
[[nodiscard]] control_request parse_control(const std::string& text);

/// A request that was handed in.
struct handed_in {
    std::int64_t number = 0;
    std::string kind;   ///< of the job's work
    std::string phase;  ///< that the job is in
    bool alive = false;
};
/// Asks the run of a job for something, as pgeist.steer() does for those who have only psql: that function may be
/// somebody else's, and is not called. In the transaction that is open, which is to be rolled back where the answer
/// shows that nobody will obey. @throws error (refused) when there is no such job
[[nodiscard]] awaitable<handed_in> steer(pg::connection& session, std::int64_t job, std::string action,
                                         std::optional<std::string> name, std::optional<std::string> value);
/// How far requests were answered.
struct answers {
    std::int64_t obeyed = 0;     ///< number of the last one that the run of the job has obeyed
    std::int64_t forgotten = 0;  ///< up to this number they were forgotten when a new process took the job on
};
/// Nothing when the job is gone.
[[nodiscard]] awaitable<std::optional<answers>> read_answers(pg::connection& session, std::int64_t job);

}  // namespace pgeist::job
