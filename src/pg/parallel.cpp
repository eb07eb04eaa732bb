#include "pgeist/pg/parallel.hpp"

#include <exception>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/channel_error.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "pgeist/core/error.hpp"

namespace pgeist::pg {

bool is_cancellation(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const cancelled&) {
        return true;
    } catch (const boost::system::system_error& error) {
        return error.code() == asio::error::operation_aborted ||
               error.code() == asio::experimental::error::channel_cancelled;
    } catch (...) {
        return false;
    }
}

namespace {

exit_code code_of(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const error& problem) {
        return problem.code();
    } catch (...) {
        return exit_code::failed;
    }
}

/// The failure that made the others stop: the first, in order of completion, that is not itself a cancellation. That
/// nobody knows whether a swap was committed comes before everything: the loss of another connection, noticed earlier,
/// must not hide it.
std::exception_ptr cause_of(const std::vector<std::size_t>& order, const std::vector<std::exception_ptr>& failures) {
    for (const std::exception_ptr& failure : failures) {
        if (failure && code_of(failure) == exit_code::outcome_unknown) {
            return failure;
        }
    }
    std::exception_ptr cancellation;
    for (const std::size_t at : order) {
        if (failures[at] && !is_cancellation(failures[at])) {
            return failures[at];
        }
        if (failures[at]) {
            cancellation = failures[at];
        }
    }
    return cancellation ? std::make_exception_ptr(cancelled()) : nullptr;
}

}  // namespace

namespace {

/// Runs all tasks until `condition` of the parallel group is met, cancels the rest, waits for all. With
/// `first_decides`, a first task that ended well makes the cancellation of the others no failure.
template <class Condition>
awaitable<void> run_group(std::vector<awaitable<void>> tasks, Condition condition, bool first_decides) {
    const auto executor = co_await asio::this_coro::executor;
    using operation = decltype(asio::co_spawn(executor, std::move(tasks[0]), asio::deferred));
    std::vector<operation> operations;
    operations.reserve(tasks.size());
    for (auto& task : tasks) {
        operations.push_back(asio::co_spawn(executor, std::move(task), asio::deferred));
    }
    auto group = asio::experimental::make_parallel_group(std::move(operations));
    const auto [order, failures] = co_await group.async_wait(condition, asio::use_awaitable);
    if (first_decides && order[0] == 0 && !failures[0]) {
        co_return;  // all is done: a cancellation that comes now is one of what the caller does next
    }
    std::exception_ptr cause = cause_of(order, failures);
    // (The state can only be asked for and reset in place: awaiting a function for it would already throw.)
    const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) {
        // Who is told to stop while a connection is lost is not to try to get it back. Any other failure is told as it
        // is; should somebody know what to do about it and go on, the cancellation is there still.
        const bool stop = !cause || code_of(cause) == exit_code::connection_lost || is_cancellation(cause);
        if (stop) {
            co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
            cause = std::make_exception_ptr(cancelled());
        }
    }
    if (cause) {
        std::rethrow_exception(cause);
    }
}

}  // namespace

awaitable<void> run_all(std::vector<awaitable<void>> tasks) {
    if (tasks.empty()) {
        co_return;
    }
    const asio::experimental::wait_for_one_error condition;
    co_await run_group(std::move(tasks), condition, false);
}

awaitable<void> run_beside(awaitable<void> main, std::vector<awaitable<void>> background) {
    background.insert(background.begin(), std::move(main));
    const asio::experimental::wait_for_one condition;
    co_await run_group(std::move(background), condition, true);
}

awaitable<void> shielded(awaitable<void> task) {
    const auto executor = co_await asio::this_coro::executor;
    auto no_slot = asio::bind_cancellation_slot(asio::cancellation_slot(), asio::use_awaitable);
    auto child = asio::co_spawn(executor, std::move(task), std::move(no_slot));
    co_await std::move(child);
}

awaitable<void> sleep_for(std::chrono::milliseconds time) {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    timer.expires_after(time);
    boost::system::error_code ec;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    if (ec) {
        co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        throw cancelled();
    }
}

}  // namespace pgeist::pg
