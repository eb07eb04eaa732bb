#include "pgeist/transfer/shared/worker_pool.hpp"

#include <algorithm>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "pgeist/pg/parallel.hpp"

namespace pgeist::transfer {

namespace {

namespace asio = boost::asio;

/// How soon a change of the number is noticed.
constexpr std::chrono::milliseconds look_again{200};

}  // namespace

void note_chunk(report::progress& into, std::int64_t rows, std::chrono::nanoseconds took) {
    into.chunk_rows = rows;
    into.chunk_time = std::chrono::duration_cast<std::chrono::milliseconds>(took);
    into.detail = fmt::format("chunks of {} rows in {}ms", rows, into.chunk_time.count());
}

int worker_pool::wanted() const { return std::clamp(work_->limiter.workers(work_->settings.workers), 1, most_); }

void worker_pool::finish() {
    finished_ = true;
    for (asio::steady_timer* each : waiting_) {
        each->cancel();
    }
}

namespace {

/// A timer among those that wait, for as long as it lives: also when the wait ends in an exception.
class place {
public:
    place(std::vector<asio::steady_timer*>& among, asio::steady_timer& timer) : among_(&among), timer_(&timer) {
        among_->push_back(timer_);
    }
    ~place() { among_->erase(std::find(among_->begin(), among_->end(), timer_)); }
    place(const place&) = delete;
    place& operator=(const place&) = delete;

private:
    std::vector<asio::steady_timer*>* among_;
    asio::steady_timer* timer_;
};

}  // namespace

awaitable<void> worker_pool::wait_until_wanted(int number) {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    const place waiting(waiting_, timer);
    bool cancelled_meanwhile = false;
    while (!finished_ && !cancelled_meanwhile && surplus(number)) {
        timer.expires_after(look_again);
        boost::system::error_code ec;
        co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ec));
        cancelled_meanwhile = ec && !finished_;
    }
    if (cancelled_meanwhile) {
        throw cancelled();
    }
}

/// One worker, again after each time that it was surplus.
awaitable<void> worker_pool::occupy(int number) {
    while (!finished_) {
        co_await wait_until_wanted(number);
        if (!finished_) {
            co_await member_(number);
        }
    }
}

/// A worker, and beside it the place of the next one, which stays empty until it is wanted.
awaitable<void> worker_pool::seat(int number) {
    co_await wait_until_wanted(number);
    if (finished_) {
        co_return;
    }
    std::vector<awaitable<void>> both;
    both.push_back(occupy(number));
    both.push_back(seat(number + 1));
    co_await pg::run_all(std::move(both));
}

}  // namespace pgeist::transfer
