#pragma once

#include <string>
#include <string_view>

#include "pgeist/core/identifier.hpp"
#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/job/tenure.hpp"
#include "pgeist/pg/pool.hpp"
#include "pgeist/report/observer.hpp"

namespace pgeist::task {

/// What taking a job back works with. The job's locks are held, its tenure has begun, no transaction is open. The plan
/// may be of another version of pgeist: what is to be removed is known by its name.
struct undo_context {
    pg::pool& pool;
    pg::connection& session;
    job::advisory_locks& hold;
    job::tenure mine;
    bool own_state = false;  ///< what stands in the job's row may be executed
    qualified_name table;    ///< of the user's; without names when it is gone
    std::int64_t table_oid = 0;
    report::observer& observer;
};

/// Where a process begins that takes a job on in the middle of a phase.
enum class resume_from {
    checkpoint,  ///< what is committed of it is kept
    start        ///< repeated whole, over what it has made already
};

/// A phase of a kind of work: how it is stored, what is told of it, how it is repeated and taken back.
struct phase {
    std::string name;     ///< in the job's row; no other phase of the kind has it
    std::string purpose;  ///< what it does, for people
    report::phase told;
    resume_from resumed = resume_from::start;
    /// Takes back what the phase has made, or what an interrupted one may have; null: nothing is left of it. Called
    /// from the last phase to the first, whichever of them the job has come to.
    awaitable<void> (*undo)(undo_context& at) = nullptr;
    bool in_effect = false;  ///< the change is made: the job can be finished, but not cancelled any more
    bool long_statement =
        false;  ///< has nothing to show for hours: losing the server there again and again is hopeless
    bool stops_at_critical_load = true;  ///< to be given up when the server is at --critical-load
};

/// A phase as most are: repeated whole, nothing to take back. `told`: its name for people, where that is another.
[[nodiscard]] phase make_phase(const char* name, const char* purpose, const char* lock, const char* told = nullptr);
/// One that goes through rows, and keeps what is committed of it.
[[nodiscard]] phase make_phase_in_rows(const char* name, const char* purpose, const char* lock,
                                       const char* told = nullptr);
/// The last one, which does nothing.
[[nodiscard]] phase make_last_phase(const char* name = "done");

}  // namespace pgeist::task
