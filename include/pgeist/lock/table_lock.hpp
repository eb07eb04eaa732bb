#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "pgeist/core/identifier.hpp"
#include "pgeist/lock/schedule.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/pg/statement.hpp"
#include "pgeist/report/observer.hpp"
#include "pgeist/settings/settings.hpp"

namespace pgeist::lock {

/// From the weakest to the strongest.
enum class mode {
    row_share,
    row_exclusive,
    share_update_exclusive,
    share,
    share_row_exclusive,
    exclusive,
    access_exclusive
};

/// A table that is locked in a mode of its own, without its children.
struct weaker_lock {
    qualified_name table;
    lock::mode mode = lock::mode::share_update_exclusive;
};

/// The tables that are locked together, in this order, in one statement.
struct target {
    std::vector<qualified_name> tables;
    /// Locked before `tables`, and without their children: tables that one of `tables` inherits from. A query through
    /// the parent locks it first too.
    std::vector<qualified_name> parents;
    lock::mode mode = lock::mode::access_exclusive;
    /// Locked after `tables`.
    std::vector<weaker_lock> weaker;
    /// Statements that lock by what they do, and change nothing; the label is what they lock. Run first: who reads a
    /// view holds its lock and then wants the tables'.
    std::vector<pg::statement> lock_statements;
    /// The same for sequences, which LOCK TABLE does not know: nextval() holds its lock until its transaction ends.
    std::vector<pg::statement> sequences;
    /// Who draws a number first and writes the row later (an ORM) wants the sequence and then the table: then the
    /// sequences are to be locked before the tables. An INSERT that draws it by a default holds the table when it wants
    /// the sequence: then the tables. The wrong way round each waits for the other until our timeout is over. See
    /// is_drawn_ahead().
    bool tables_first = false;
    /// Tables that only pgeist (and autovacuum) uses and that are locked first, so that nothing is waited for once the
    /// others are held.
    std::vector<qualified_name> own;

    /// Whether others wait for one relation only.
    [[nodiscard]] bool is_single() const noexcept {
        return parents.size() + tables.size() + weaker.size() + lock_statements.size() + sequences.size() == 1;
    }
};

enum class lock_result {
    locked,
    blocked,
    blocked_half_way,  ///< the first of sequences and tables were obtained, but not the others
};

/// Makes one attempt: begins a transaction on `session` and locks views, sequences and tables in it. All of it is
/// bounded by the attempt's timeout, also when it waits for several of them in turn. An attempt that waits for less
/// than an autovacuum in the way takes to be cancelled first takes SHARE UPDATE EXCLUSIVE for that long, which no
/// reader or writer notices.
/// @returns `locked` with the transaction open and the locks held; with no transaction open when somebody is in the
/// way. Takes exactly the locks asked for.
[[nodiscard]] awaitable<lock_result> try_locks(pg::connection& session, const target& wanted, attempt how);
/// The same: whether everything is locked.
[[nodiscard]] awaitable<bool> try_lock(pg::connection& session, const target& wanted, attempt how);

/// Whether somebody holds one of the sequences and nothing on the first of the tables, at this moment.
[[nodiscard]] awaitable<bool> is_drawn_ahead(pg::connection& observer_session, const target& wanted);

/// How many sessions hold a lock on each of `tables` that conflicts with ACCESS EXCLUSIVE, in their order.
[[nodiscard]] awaitable<std::vector<int>> count_holders(pg::connection& observer_session,
                                                        std::vector<qualified_name> tables, int own_pid);

/// `SET LOCAL` for a transaction that is about to take a lock others wait for: when this program is stopped, or cut
/// off, between two statements, the server ends the transaction after two seconds, and the lock with it. Its COMMIT
/// waits for the server's own disk and for no standby.
[[nodiscard]] std::string under_strong_lock_sql();

/// Statements for target::sequences that lock the sequences that columns of the table own (serial, identity) in ACCESS
/// EXCLUSIVE mode and change nothing, in name order.
[[nodiscard]] awaitable<std::vector<pg::statement>> lock_owned_sequences(pg::connection& session,
                                                                         std::int64_t table_oid);

/// Who holds a lock on one of them that conflicts, longest transaction first; our own `session` pid left out. Prepared
/// transactions too.
[[nodiscard]] awaitable<std::vector<report::blocker>> find_blockers(pg::connection& observer_session,
                                                                    const target& wanted, int own_pid);

/// Cancels or terminates the sessions in the way, if the user said so, and says once which of them it may not touch.
class blocker_removal {
public:
    explicit blocker_removal(report::observer& observer) : observer_(&observer) {}

    [[nodiscard]] awaitable<void> remove(pg::connection& observer_session, std::vector<report::blocker> blockers,
                                         run::on_blocked how);

private:
    report::observer* observer_;
    std::set<int> refused_;  ///< pids told of
};

/// Attempts by schedule until the locks are held (then a transaction is open on `session`). Each failed waiting attempt
/// is reported with who is in the way. `observer_session` must not be the one that locks. With `follow`, options that
/// are changed there while attempts are made are obeyed.
/// @throws error (lock_not_obtained) when attempts or time are used up
[[nodiscard]] awaitable<void> acquire(pg::connection& session, pg::connection& observer_session, target wanted,
                                      policy rules, run::on_blocked blocked, report::observer& observer,
                                      const run::settings* follow = nullptr);

/// Fills in what depends on deadlock_timeout: this session's, and the shortest that a role or the database is given.
[[nodiscard]] awaitable<void> fit_to_server(pg::connection& session, policy& rules);

/// @throws error (lock_not_obtained), naming who is in the way, and `besides`
[[noreturn]] void throw_not_obtained(int attempts, const std::vector<report::blocker>& blockers,
                                     const std::string& besides = {});

/// `pid 123 (user app, psql, idle in transaction for 3m05s): UPDATE …`
[[nodiscard]] std::string describe(const report::blocker& blocker);

}  // namespace pgeist::lock
