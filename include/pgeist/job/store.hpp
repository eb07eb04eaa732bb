#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/job/phase.hpp"
#include "pgeist/job/tenure.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/plan/blueprint.hpp"
#include "pgeist/report/observer.hpp"
#include "pgeist/settings/settings.hpp"
#include "pgeist/walk/key_range.hpp"
#include "pgeist/walk/key_sql.hpp"

namespace pgeist::job {

/// What other sessions asked of a job through its row.
struct control_request {
    bool paused = false;
    bool swap = false;  ///< `pgeist swap`: do not postpone any longer
    bool cancel = false;
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

/// A job as stored in `pgeist.jobs`.
struct record {
    std::int64_t id = 0;
    qualified_name table;
    std::int64_t table_oid = 0;
    plan::change_request change;
    run::settings settings;
    std::optional<plan::blueprint> blueprint;
    phase reached = phase::prepare;
    std::string state;
    bool swapped = false;
    std::string token;             ///< of this very job, wherever its database is
    std::int64_t incarnation = 1;  ///< which process in turn works on it
    control_request asked;         ///< what still holds of what others asked for
    std::int64_t obeyed = 0;       ///< number of the last request that a run has obeyed, settings included
    std::int64_t compared = 0;     ///< number of the last `pgeist verify` that a run has answered
};

/// SQL that is true of a row of pgeist.jobs, by its alias, that a dump has brought here: a dump that is taken while a
/// job is at work holds its row and its tables, but restored these are others, which nothing catches up with.
[[nodiscard]] std::string restored_condition(const std::string& alias);

/// Adds a job in phase `prepare`. @returns its id, and the first tenure of it
[[nodiscard]] awaitable<tenure> create(pg::connection& session, qualified_name table, std::int64_t table_oid,
                                       plan::change_request change, run::settings settings);
/// @throws error (refused) when there is no such job
[[nodiscard]] awaitable<record> load(pg::connection& session, std::int64_t job);
[[nodiscard]] awaitable<void> save_blueprint(pg::connection& session, std::int64_t job, const plan::blueprint& plan);
/// Makes a transaction of a run part of this tenure: as long as it is open, nobody else can take the job on, and when
/// somebody has, it throws. To be called at the beginning of every transaction that changes what belongs to the job.
/// Locks: the job's row FOR KEY SHARE. @throws error (already_running) when the job was taken on, or removed, by others
[[nodiscard]] awaitable<void> require_tenure(pg::connection& session, tenure mine);
/// What becomes of requests (pause, set, …) that were handed in before.
enum class requests {
    keep,   ///< the same process goes on, or nobody will obey any
    forget  ///< a new process begins; who waits for an answer is told (answers::forgotten)
};
/// Takes the job on: waits for the transactions of the tenure before, and ends it. In no transaction; the advisory
/// locks must be held. @returns the new tenure
[[nodiscard]] awaitable<tenure> begin_tenure(pg::connection& session, std::int64_t job, requests what = requests::keep);

/// @throws error (already_running) as require_tenure()
[[nodiscard]] awaitable<void> save_phase(pg::connection& session, tenure mine, phase reached);
/// Does nothing when the job is no longer ours.
[[nodiscard]] awaitable<void> save_state(pg::connection& session, tenure mine, std::string state, std::string message);
/// Whether a transaction has ended, one way or the other, or never came to be: after its commit was lost on the way.
/// `xid` as pg_current_xact_id() gave it. @throws sql_error
[[nodiscard]] awaitable<bool> has_ended(pg::connection& session, std::string xid, deadline until);

[[nodiscard]] awaitable<void> add_event(pg::connection& session, std::int64_t job, std::string event,
                                        std::string detail);

/// Remembers the file of the source's rows, and the state of its columns, as they are now: from here on whoever
/// rewrites them is noticed. To be called where no row has been copied yet. @throws error (already_running) as
/// require_tenure()
[[nodiscard]] awaitable<void> save_source_file(pg::connection& session, tenure mine, std::int64_t source_oid);
/// What save_source_file() would remember, for save_compared_file(); nothing when some of them are compared already,
/// perhaps as they were in another file.
[[nodiscard]] awaitable<std::optional<std::int64_t>> file_to_compare(pg::connection& session, std::int64_t job,
                                                                     std::int64_t source_oid);
/// Remembers that all rows have been compared since they were in `file`, so that it does not matter who rewrote them
/// before. @throws error (already_running) as require_tenure()
[[nodiscard]] awaitable<void> save_compared_file(pg::connection& session, tenure mine, std::int64_t file);
/// Where the source's rows are, compared with what is remembered.
enum class source_rows {
    in_place,  ///< in the same file
    moved,     ///< in another one, with the same values: REPACK, CLUSTER, VACUUM FULL, SET TABLESPACE, pg_repack
    rewritten  ///< perhaps with other values, since the columns' rows in the catalogs are others: ALTER COLUMN … TYPE;
               ///< or in the same file, as long as the table was another's child, whose statements fire none of its
               ///< triggers. Also when a default that was kept apart from the rows has been moved into them.
};
[[nodiscard]] awaitable<source_rows> source_rows_since(pg::connection& session, std::int64_t job,
                                                       std::int64_t source_oid);

/// Records what the job's result is, so that the same change can be known as done.
/// @throws error (already_running) as require_tenure()
[[nodiscard]] awaitable<void> save_result(pg::connection& session, tenure mine, std::int64_t table_oid,
                                          std::string fingerprint);
/// The job that has made this very change to the table as it is now, if there is one.
[[nodiscard]] awaitable<std::optional<std::int64_t>> find_done(pg::connection& session, plan::change_request change,
                                                               std::int64_t table_oid, std::string fingerprint);

/// Records a finished chunk; to be called in the chunk's own transaction.
struct chunk_counts {
    std::int64_t rows = 0;
    std::optional<std::int64_t> write_rows;
    std::optional<std::string> checksum;
    std::optional<std::string> write_checksum;
};
[[nodiscard]] awaitable<void> save_chunk(pg::connection& session, std::int64_t job, const char* kind,
                                         walk::key_range range, chunk_counts counts);
/// The chunks of a kind in key order, and how many rows they hold.
struct finished_chunks {
    walk::finished_ranges ranges;
    std::int64_t rows = 0;
};
[[nodiscard]] awaitable<finished_chunks> load_chunks(pg::connection& session, std::int64_t job, const char* kind,
                                                     const plan::key& key);
/// @throws error (already_running) as require_tenure()
[[nodiscard]] awaitable<void> forget_chunks(pg::connection& session, tenure mine, const char* kind);

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
[[nodiscard]] awaitable<void> save_settings(pg::connection& session, tenure mine, run::settings now);
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
/// How many rows the finished chunks of a kind hold.
[[nodiscard]] awaitable<std::int64_t> rows_in_chunks(pg::connection& session, std::int64_t job, const char* kind);
/// The detail of the newest event of this name; nothing when there is none.
[[nodiscard]] awaitable<std::optional<std::string>> last_event(pg::connection& session, std::int64_t job,
                                                               std::string event);
/// Whether an event of this name is noted for the job.
[[nodiscard]] awaitable<bool> has_event(pg::connection& session, std::int64_t job, std::string event);
/// Asks the run of a job for something, as pgeist.steer() does for those who have only psql: that function may be
/// somebody else's, and is not called. In the transaction that is open.
/// @returns the request's number. @throws error (refused) when there is no such job, nobody runs it, or it is too late
[[nodiscard]] awaitable<std::int64_t> steer(pg::connection& session, std::int64_t job, std::string action,
                                            std::optional<std::string> name, std::optional<std::string> value);
/// How far requests were answered.
struct answers {
    std::int64_t obeyed = 0;     ///< number of the last one that the run of the job has obeyed
    std::int64_t forgotten = 0;  ///< up to this number they were forgotten when a new process took the job on
};
/// Nothing when the job is gone.
[[nodiscard]] awaitable<std::optional<answers>> read_answers(pg::connection& session, std::int64_t job);

}  // namespace pgeist::job
