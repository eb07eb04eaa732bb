#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pgeist/commands/rehearsal.hpp"
#include "pgeist/core/exit_code.hpp"
#include "pgeist/fill/spec.hpp"
#include "pgeist/pg/awaitable.hpp"
#include "pgeist/pg/connect_options.hpp"
#include "pgeist/plan/change_request.hpp"
#include "pgeist/plan/group_request.hpp"
#include "pgeist/plan/migration_file.hpp"
#include "pgeist/plan/server_repack.hpp"
#include "pgeist/report/observer.hpp"
#include "pgeist/report/status.hpp"
#include "pgeist/settings/settings.hpp"
#include "pgeist/tasks/expand/contract.hpp"
#include "pgeist/tasks/expand/spec.hpp"
#include "pgeist/tasks/reindex/request.hpp"

namespace pgeist::commands {

/// The commands of the tool, one coroutine each; the command line only parses, calls one of them, and prints.
///
/// All of them throw `pgeist::error` for failures; its `code()` is the exit code. On terminal cancellation they bring
/// the job into a state from which it can be resumed and throw `cancelled`. None of them calls `observer::finished`:
/// the caller does, with the code returned or the error caught. An observer passed by reference outlives the coroutine.

/// `pgeist run`: plans the change, checks, and carries it out to the end.
[[nodiscard]] awaitable<exit_code> start(pg::connect_options options, plan::change_request change, run::settings chosen,
                                         report::observer& observer);

/// The same for several tables that are exchanged in one transaction: a copy of each, the first one's job leads.
[[nodiscard]] awaitable<exit_code> start_group(pg::connect_options options, plan::group_request what,
                                               run::settings chosen, report::observer& observer);

/// `pgeist rehearse`: does a copy up to its swap and takes it all back; of what takes no copy it tells what is planned.
/// @throws error (failed) also when one of the limits is passed
[[nodiscard]] awaitable<exit_code> rehearse(pg::connect_options options, plan::change_request change,
                                            run::settings chosen, rehearsal_request what, report::observer& observer);

/// `pgeist run --only-indexes`, `--index`: rebuilds indexes of one table.
[[nodiscard]] awaitable<exit_code> start_reindex(pg::connect_options options, reindex::request what,
                                                 run::settings chosen, report::observer& observer);

/// `pgeist run --repack --method server`: the server's own REPACK (CONCURRENTLY), watched and bounded.
[[nodiscard]] awaitable<exit_code> start_server_repack(pg::connect_options options, plan::change_request change,
                                                       run::settings chosen, report::observer& observer);

/// Names and values of options that change in the course of a job, as on the command line and checked by
/// `apply_option`.
using named_values = std::vector<std::pair<std::string, std::string>>;

/// A migration file, `--file` without `--table`; or what is given for several tables.
struct file_request {
    plan::migration_file file;
    /// Of several `--table`: each one's change. The file's statements are theirs, and no line has a number.
    std::vector<plan::group_member> tables;
    std::vector<std::size_t> table_of;                      ///< of each statement, its place in `tables`
    std::vector<std::pair<std::string, std::string>> tied;  ///< tables, as displayed, that foreign keys join
    std::vector<std::string> remarks;                       ///< warnings about them
    std::string undoes;   ///< identity of the file that it takes back, which may then be run again; empty: none
    bool resume = false;  ///< go on with a run of it that was cut off
};

/// `pgeist run --file`: one job, whose steps are the file's statements; or the copy's, where it is nothing but one
/// copy. One that was run in this database does nothing.
[[nodiscard]] awaitable<exit_code> start_file(pg::connect_options options, file_request what, run::settings chosen,
                                              report::observer& observer);

/// `pgeist resume`: goes on with an interrupted job where its checkpoints end. `changes` replace options that the job
/// was started with, for good.
[[nodiscard]] awaitable<exit_code> resume(pg::connect_options options, std::int64_t job, named_values changes,
                                          report::observer& observer);

/// What `pgeist revert` is asked for.
struct revert_request {
    std::int64_t job = 0;
    named_values changes;           ///< options that replace those of the job, for good
    std::vector<std::string> lose;  ///< names of what others have put on the table since, and that may go with it
    bool check = false;             ///< only say whether it could be done
};

/// `pgeist revert`: swaps the table that waits back into its place, with every write made since. A run that keeps it in
/// step is told to end first.
/// @throws error (refused) with the reasons why it cannot be done
[[nodiscard]] awaitable<exit_code> revert(pg::connect_options options, revert_request what, report::observer& observer);

/// `pgeist cleanup`: removes what a job left behind; without `job`, what all jobs left that are not running.
[[nodiscard]] awaitable<exit_code> cleanup(pg::connect_options options, std::optional<std::int64_t> job,
                                           report::observer& observer);

/// `pgeist status`: all jobs, oldest first, or the one asked for.
/// @throws error when `job` is given and unknown
[[nodiscard]] awaitable<std::vector<report::job_status>> list_jobs(pg::connect_options options,
                                                                   std::optional<std::int64_t> job);

/// `pgeist verify`: compares both tables again, all rows of them. A running job does it before its swap, and this waits
/// for what it finds; for a job that nobody runs it is done here.
/// @throws error (verification_failed) when they differ; error (refused) when there is nothing to compare
[[nodiscard]] awaitable<exit_code> verify(pg::connect_options options, std::int64_t job, report::observer& observer);

/// `pause`, `continue`, `swap`, `cancel`, `set`: tells a running job what to do, through the database, and waits until
/// it has obeyed. @returns false when it has not answered for some seconds
/// @throws error when the job is unknown or nobody runs it
[[nodiscard]] awaitable<bool> send_control(pg::connect_options options, std::int64_t job, std::string action,
                                           named_values values);

/// What `pgeist repack-candidates` is to list.
struct bloat_thresholds {
    double percent = 30;
    std::int64_t bytes = 8 << 20;
};

/// A table, and what a rebuild would save by what ANALYZE knows of it.
struct bloated_table {
    std::string table;  ///< as SQL has it, with its schema
    qualified_name name;
    std::int64_t heap_bytes = 0;
    std::int64_t toast_bytes = 0;
    std::int64_t index_bytes = 0;        ///< of its B-trees
    std::int64_t total_bytes = 0;        ///< with indexes and TOAST
    std::int64_t bloat_bytes = 0;        ///< of heap and TOAST
    double bloat_percent = 0;            ///< of these
    std::int64_t toast_bloat_bytes = 0;  ///< the part of it that is TOAST's
    std::int64_t index_bloat_bytes = 0;
    std::int64_t saves_bytes = 0;      ///< by what is proposed
    std::int64_t dropped_columns = 0;  ///< of which rows may still hold something
    bool indexes_alone = false;        ///< proposed: to rebuild the indexes; else the table with them
    std::int64_t dead_rows = 0;
    std::string analyzed_at;                    ///< RFC 3339; empty: long ago
    bool has_key = false;                       ///< `pgeist run --repack` can walk it
    std::optional<plan::server_repack> server;  ///< the server's own way, from PostgreSQL 19 on
};

/// `pgeist repack-candidates`: those that could save most first. Tables that were never analyzed are left out.
[[nodiscard]] awaitable<std::vector<bloated_table>> repack_candidates(pg::connect_options options,
                                                                      bloat_thresholds least);

/// `pgeist repack-candidates --run`: how much is to be rebuilt, and when.
struct repack_round {
    int tables = 0;                     ///< at most, those gone on with included
    std::optional<std::string> window;  ///< times of day, local; unset: any
    bloat_thresholds least;
};

/// Goes on with interrupted repacks, then rebuilds the best candidates, one after the other, each a job of its own. At
/// the window's end the one at work is left resumable. Tables that are refused, or held by another run, are told and
/// passed over. @returns the worst exit code of the runs; done outside the window and when it ends
[[nodiscard]] awaitable<exit_code> run_candidates(pg::connect_options options, repack_round what, run::settings chosen,
                                                  report::observer& observer);

/// What `pgeist plan` prints.
struct plan_result {
    plan_result(exit_code result, std::string human, std::string statements, std::string as_json)
        : code(result), text(std::move(human)), sql(std::move(statements)), json(std::move(as_json)) {}

    exit_code code;    ///< done, or refused
    std::string text;  ///< for humans, lines
    std::string sql;   ///< the statements it would run, printed after `text` with --verbose
    std::string json;  ///< one JSON object on one line, without the line feed
};

/// `pgeist plan` and `--dry-run`: what would be done; changes nothing.
[[nodiscard]] awaitable<plan_result> make_plan(pg::connect_options options, plan::change_request change,
                                               run::settings chosen);

/// The same for start_server_repack().
[[nodiscard]] awaitable<plan_result> plan_server_repack(pg::connect_options options, plan::change_request change);

/// The same for start_reindex().
[[nodiscard]] awaitable<plan_result> plan_reindex(pg::connect_options options, reindex::request what);

/// `pgeist backfill`: sets, or deletes, rows where they are.
[[nodiscard]] awaitable<exit_code> start_backfill(pg::connect_options options, fill::request asked,
                                                  run::settings chosen, report::observer& observer);

/// `pgeist expand`: adds columns that are kept in step with old ones, and fills them.
[[nodiscard]] awaitable<exit_code> start_expansion(pg::connect_options options, expand::request asked,
                                                   run::settings chosen, report::observer& observer);

/// `pgeist expand --dry-run`.
[[nodiscard]] awaitable<plan_result> plan_expansion(pg::connect_options options, expand::request asked,
                                                    run::settings chosen);

/// `pgeist contract`: drops the old columns of an expanded job, or takes them out of sight, or puts them back.
/// `changes` replace options that the job was started with.
[[nodiscard]] awaitable<exit_code> contract(pg::connect_options options, std::int64_t job, expand::contraction what,
                                            named_values changes, report::observer& observer);

/// `pgeist plan --set`, `pgeist plan --delete` and `pgeist backfill --dry-run`.
[[nodiscard]] awaitable<plan_result> plan_backfill(pg::connect_options options, fill::request asked,
                                                   run::settings chosen);

/// `pgeist rehearse --file`: a file that is one copy is rehearsed as that, one without any told by its plan.
/// @throws error (refused) naming the line of a copy among other statements
[[nodiscard]] awaitable<exit_code> rehearse_file(pg::connect_options options, file_request file, run::settings chosen,
                                                 rehearsal_request what, report::observer& observer);

/// The same for a migration file.
[[nodiscard]] awaitable<plan_result> make_file_plan(pg::connect_options options, file_request what,
                                                    run::settings chosen);

}  // namespace pgeist::commands
