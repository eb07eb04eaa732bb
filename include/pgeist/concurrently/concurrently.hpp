#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pgeist/core/identifier.hpp"
#include "pgeist/job/tenure.hpp"
#include "pgeist/pg/pool.hpp"
#include "pgeist/report/observer.hpp"
#include "pgeist/settings/settings.hpp"
#include "pgeist/swap/old_snapshots.hpp"
#include "pgeist/task/phase.hpp"
#include "pgeist/throttle/limiter.hpp"
#include "pgeist/watch/build_figures.hpp"

// What the server does CONCURRENTLY: in several transactions of its own, between which it waits for those of others,
// and of which it leaves something invalid behind when it is interrupted. Each function here
//   - begins when no signal holds the run back and the snapshots that are held now have gone: they are told as blockers
//     (lock_waited() with attempt 0), for --swap-max-wait at most, unless --ignore-old-snapshots says otherwise;
//   - stores with the job what it is about to make, before the statement is begun: what is found invalid later is ours
//     only if it stands there, or grew out of what stands there;
//   - runs the statement without a statement timeout, tells the server's figures (report::progress::server) and whom it
//     waits for, gives up after --swap-max-wait of one wait, and before others would be cancelled by a deadlock with
//     it;
//   - when it fails, takes back what is ours and invalid; after a cancellation, a lost connection or kill -9 that is
//   done
//     before the next attempt, or by undo().
// Locks: SHARE UPDATE EXCLUSIVE on the table, which no reader or writer notices; DROP and REINDEX take ACCESS EXCLUSIVE
// on an index that nobody uses any more.
namespace pgeist::concurrently {

/// What the functions work with. References to objects of the caller, which outlive the call.
struct workspace {
    pg::pool& pool;  ///< its sessions are named after the job, so that what is left of them is found and ended
    job::tenure mine;
    const run::settings& settings;  ///< changed by `pgeist set` meanwhile
    report::observer& observer;
    report::progress& progress;
    throttle::limiter& limiter;
    /// Where several statements make one phase: which part of its figures this one is, and the pace of all of them.
    double percent_from = 0;
    double percent_to = 100;
    watch::pace* pace = nullptr;
};

/// Waits until nobody holds a snapshot that he held when this was called, and no signal holds the run back.
/// @param whom  whose snapshots matter
/// @param why  what would happen, for the message: it goes on from "a snapshot that"
/// @throws error (lock_not_obtained) naming who does, after --swap-max-wait; cancelled
[[nodiscard]] awaitable<void> wait_for_snapshots(workspace& work, swap::old_snapshots::of whom, std::string why);

/// Whether a server of this version (140003 for 14.3) may be trusted with it.
[[nodiscard]] bool builds_soundly(int server_version) noexcept;

/// Before PostgreSQL 14.4 an index built CONCURRENTLY may lack rows. @throws error (refused) for 14.0 to 14.3
void require_sound_server(const pg::connection& session);

/// An index of a table or of one partition; not of a partitioned table.
struct index_request {
    std::int64_t table_oid = 0;
    qualified_name name;     ///< in the table's schema; not there yet
    std::string create_sql;  ///< `CREATE [UNIQUE] INDEX CONCURRENTLY name ON …`, as the session's search_path has it
    bool for_constraint = false;  ///< of no use without the constraint that will take it over: undo() drops it then
};

/// Whether a name may be given to an index of this job: it is free, or what has it is the job's own. To be asked when
/// the run is planned (with job 0), before anything is changed. @throws error (refused) naming what is there
[[nodiscard]] awaitable<void> require_free_name(pg::connection& session, std::int64_t job, const index_request& wanted);

/// Makes the index over `session`, whose settings are the caller's (search_path, default_tablespace). One that an
/// interrupted run of this job, or the server after it, has finished is kept; an invalid one of this job is dropped
/// first. @throws error naming the keys (ten at most, and how many) when rows violate a unique index; (refused) when
/// somebody else's has the name; (lock_not_obtained) naming who is in the way; cancelled
[[nodiscard]] awaitable<void> create_index(workspace& work, pg::connection& session, index_request wanted);

/// An index, or the index of a constraint, that a partitioned table is to get.
struct partitioned_request {
    std::int64_t table_oid = 0;
    bool unique = false;
    std::string definition;  ///< what comes after the table's name: `USING btree (a) INCLUDE (b) WHERE …`
    std::string constraint;  ///< `UNIQUE (a)`, `PRIMARY KEY (a)`; empty: a mere index
};
/// An index of a partition, for the partitioned table's.
struct partition_index {
    qualified_name table;
    std::string name;             ///< that the plain statement would have given it
    bool has_constraint = false;  ///< it is a constraint's already, as the partitioned table's is to be
};
/// Makes the index of each leaf partition that has none like it, one after the other; like it is what the plain
/// statement would take over: for a constraint none but a constraint's. What is left for the caller is quick: for a
/// constraint `ALTER TABLE leaf ADD CONSTRAINT name … USING INDEX name` for each of those returned that have none; then
/// the plain statement on the partitioned table, which takes over the indexes that it finds.
/// @throws as create_index()
[[nodiscard]] awaitable<std::vector<partition_index>> create_on_partitions(workspace& work, pg::connection& session,
                                                                           partitioned_request wanted);

/// An index that is to be made without a name.
struct unnamed_index {
    qualified_name table;
    /// The plain statement, `{table}` in the place of the table's name: `CREATE INDEX ON {table} (lower(a))`, `ALTER
    /// TABLE {table} ADD UNIQUE (a)`.
    std::string statement;
};
/// The name that the server would give it now: asked of an empty table of the same name and columns, in a schema that
/// is rolled back. `session` is in no transaction, under the user's search_path. Locks: ACCESS SHARE on the table, for
/// a moment.
[[nodiscard]] awaitable<std::string> name_of_index(pg::connection& session, unnamed_index what);
/// Whether the job has begun to build an index of this name.
[[nodiscard]] awaitable<bool> has_begun(pg::connection& session, std::int64_t job, qualified_name index);

/// REINDEX INDEX CONCURRENTLY. Nothing when the index has gone. @throws as create_index()
[[nodiscard]] awaitable<void> reindex(workspace& work, pg::connection& session, std::int64_t index_oid);

/// REINDEX TABLE CONCURRENTLY, index by index, that of its TOAST too where the role may; exclusion constraints, and
/// what else cannot be done CONCURRENTLY, are told and left. Of a partitioned table: of its partitions.
[[nodiscard]] awaitable<void> reindex_table(workspace& work, pg::connection& session, std::int64_t table_oid);

/// DROP INDEX CONCURRENTLY. One that an interrupted run has begun to drop is dropped to the end, also by undo(): the
/// server cannot make it valid again. @throws as create_index()
[[nodiscard]] awaitable<void> drop_index(workspace& work, pg::connection& session, qualified_name name);

/// ALTER TABLE … DETACH PARTITION … CONCURRENTLY; FINALIZE where it was begun before. What is pending is finished by
/// undo(), too. @throws as create_index()
[[nodiscard]] awaitable<void> detach_partition(workspace& work, pg::connection& session, qualified_name parent,
                                               qualified_name partition);

/// Takes back what earlier attempts of the job have left: before a phase is repeated.
[[nodiscard]] awaitable<void> take_back(workspace& work);

/// Takes what the job had begun out of its row, in the transaction that is open: to be called in the one that records
/// that the step is done. What is there then is nobody's to take back.
[[nodiscard]] awaitable<void> forget(pg::connection& session, job::tenure mine);

/// For task::phase::undo: drops what is ours and invalid, and finishes what cannot be taken back.
/// @throws error (lock_not_obtained) naming who is in the way
[[nodiscard]] awaitable<void> undo(task::undo_context& at);

}  // namespace pgeist::concurrently
