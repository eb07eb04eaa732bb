#include "pgeist/throttle/worker_governor.hpp"

#include <algorithm>

namespace pgeist::throttle {

namespace {

using std::chrono::seconds;

/// How long a number of workers is measured: several chunks of each.
constexpr seconds trial{3};
/// One more worker must make the copy this much faster, or it only takes the server's time from the application.
constexpr double worth_it = 1.10;
/// How long the number stays after a trial that brought nothing, or after the server asked for mercy.
constexpr seconds long_rest{20};

}  // namespace

void worker_governor::begin_trial(time_point now, std::int64_t rows_done, int workers) {
    workers_ = std::clamp(workers, least, most);
    trial_begun_ = now;
    rows_at_begin_ = rows_done;
}

void worker_governor::rest() {
    climbing_ = false;
    best_rate_ = 0;
    trial_begun_.reset();
}

int worker_governor::decide(time_point now, std::int64_t rows_done, bool held_back) {
    if (held_back) {
        // Once for each time that it asks; what is shed has to show its effect before more is.
        if (!held_back_) {
            workers_ = std::max(least, workers_ / 2);
        }
        held_back_ = true;
        climbing_ = false;
        best_rate_ = 0;
        trial_begun_.reset();
        rest_until_ = now + long_rest;
        return workers_;
    }
    held_back_ = false;
    if (!trial_begun_ || rows_done < rows_at_begin_) {
        climbing_ = false;
        begin_trial(now, rows_done, workers_);
        return workers_;
    }
    if (now - *trial_begun_ < trial || (rest_until_ && now < *rest_until_)) {
        return workers_;
    }
    if (rows_done == rows_at_begin_) {
        // Nothing was done that could be measured: chunks that take longer than a trial, or other work. A trial of one
        // more worker goes on until there is something to judge it by; any other measurement begins anew.
        if (!climbing_) {
            begin_trial(now, rows_done, workers_);
        }
        return workers_;
    }
    rest_until_.reset();
    const std::chrono::duration<double> took = now - *trial_begun_;
    const double rate = static_cast<double>(rows_done - rows_at_begin_) / took.count();
    if (climbing_ && rate < best_rate_ * worth_it) {
        climbing_ = false;
        best_rate_ = 0;
        rest_until_ = now + long_rest;
        begin_trial(now, rows_done, workers_ - 1);
        return workers_;
    }
    best_rate_ = rate;
    climbing_ = workers_ < most;
    begin_trial(now, rows_done, workers_ + 1);
    return workers_;
}

}  // namespace pgeist::throttle
