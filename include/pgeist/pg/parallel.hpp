#pragma once

#include <chrono>
#include <exception>
#include <vector>

#include "pgeist/pg/awaitable.hpp"

namespace pgeist::pg {

/// Whether an operation ended because it was cancelled, in whichever way Asio or we say that.
[[nodiscard]] bool is_cancellation(const std::exception_ptr& failure);

/// Runs all `tasks` at once and waits for every one of them. The first failure cancels the others; it is thrown when
/// all have ended. A cancellation of the caller is passed on to all tasks. No task outlives the call.
[[nodiscard]] awaitable<void> run_all(std::vector<awaitable<void>> tasks);

/// Runs `main` with `background` tasks beside it, which may run for ever: when `main` has ended, they are cancelled and
/// waited for; when one of them fails, or ends, first, `main` is cancelled. Throws the first failure that is not a
/// consequence.
[[nodiscard]] awaitable<void> run_beside(awaitable<void> main, std::vector<awaitable<void>> background);

/// Runs `task` to its end, whatever becomes of the caller: for what must neither be cut short nor left undone, such as
/// a COMMIT and the question what became of it. The task has no cancellation of its own, but need not care: one that
/// comes meanwhile stays with the caller, whose next co_await throws it. A caller that was cancelled before would throw
/// instead of beginning: for clean-up, put `co_await asio::this_coro::throw_if_cancelled(false)` before, and
/// `(true)` after it. (Disabling the caller's cancellation in place of all that would lose the one that comes.)
[[nodiscard]] awaitable<void> shielded(awaitable<void> task);

/// Waits `time`; @throws pgeist::cancelled when the caller is cancelled meanwhile.
[[nodiscard]] awaitable<void> sleep_for(std::chrono::milliseconds time);

}  // namespace pgeist::pg
