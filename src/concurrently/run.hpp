#pragma once

#include <chrono>
#include <string>

#include "pgeist/concurrently/concurrently.hpp"
#include "pgeist/core/error.hpp"
#include "register.hpp"

namespace pgeist::concurrently {

/// Waits until the next statement may begin: until no signal holds the run back, and nobody holds a snapshot that he
/// held when this was called. @throws error (lock_not_obtained) naming who does, after --swap-max-wait; cancelled
[[nodiscard]] awaitable<void> wait_to_begin(workspace& work);

/// How often what gave way is tried, and how much longer it rests each time.
inline constexpr int most_tries = 12;
inline constexpr auto pause_after_giving_way = std::chrono::milliseconds(200);

/// Somebody and the statement would wait for each other, or it was chosen as the one to give way: it has been cancelled
/// and may be tried again.
class gave_way : public error {
public:
    explicit gave_way(const std::string& who);
};

/// Who is told of a statement, and what of.
struct audience {
    pg::pool& pool;
    report::observer& observer;
    report::progress* progress = nullptr;       ///< null: nobody asks for figures
    std::chrono::milliseconds longest_wait{0};  ///< for one transaction of others
    const run::settings* follow = nullptr;      ///< where given, its --swap-max-wait counts instead
    double percent_from = 0;                    ///< as workspace
    double percent_to = 100;
    watch::pace* pace = nullptr;
    [[nodiscard]] std::chrono::milliseconds patience() const {
        return follow != nullptr ? follow->swap_max_wait : longest_wait;
    }
};
[[nodiscard]] audience audience_of(workspace& work);

/// Runs one statement that is in no transaction, without timeouts, and watches it over another session. The index that
/// it makes is stored with `about` as soon as it is seen. The session's timeouts are what they were when this returns.
/// @throws pg::sql_error; gave_way; error (lock_not_obtained) naming whom it waited for too long; cancelled
[[nodiscard]] awaitable<void> run_watched(audience to, pg::connection& session, job::tenure mine, std::string sql,
                                          const entry& about);

/// The same for what the job's row is to know of first: waits to begin, takes back what an earlier attempt has left,
/// stores `about`, runs `sql`; again when it gave way, a dozen times at most. A failure is thrown when what it left is
/// taken back; after a cancellation or a lost connection nothing is, and the entry stays.
[[nodiscard]] awaitable<void> carry_out(workspace& work, pg::connection& session, std::string sql, entry about);

/// Takes back one entry: drops its leftovers, finishes what cannot be taken back, and forgets it. What somebody is at
/// work on is left and told. `session` is in no transaction.
[[nodiscard]] awaitable<void> take_back_one(audience to, pg::connection& session, job::tenure mine, const entry& what);

/// The same for what is stored of a statement like `about`, by an earlier attempt.
[[nodiscard]] awaitable<void> take_back_known(audience to, pg::connection& session, job::tenure mine, entry about);

}  // namespace pgeist::concurrently
