#include <algorithm>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include "pgeist/pg/parallel.hpp"
#include "pgeist/throttle/gate.hpp"

namespace pgeist::throttle {

bool gate::needs_samples() const {
    return std::any_of(signals_.begin(), signals_.end(), [](const auto& each) { return each->needs_samples(); });
}

void gate::failed(const std::string& why) {
    for (const auto& each : signals_) {
        if (each->needs_samples()) {
            each->sample_failed(why);
        }
    }
}

awaitable<void> gate::connect(pg::connect_options options) {
    options.connect_timeout(sample_timeout);
    try {
        session_ = co_await pg::connection::open(std::move(options), "pgeist throttle");
        co_await session_->adopt(profile_, deadline::in(sample_timeout));
    } catch (const pg::sql_error& problem) {
        failed(problem.what());
    }
}

awaitable<void> gate::sample_one(signal& each) {
    try {
        co_await each.sample(*session_);
    } catch (const pg::sql_error& problem) {
        each.sample_failed(problem.what());
    }
    warn(each.warning());
}

awaitable<void> gate::sample_all(const pg::connect_options& options) {
    if (!needs_samples()) {
        session_.reset();
        co_return;
    }
    if (!session_ || !session_->idle()) {
        session_.reset();
        co_await connect(options);
    }
    for (const auto& each : signals_) {
        if (session_ && session_->idle() && each->needs_samples()) {
            co_await sample_one(*each);
        }
    }
}

awaitable<void> gate::watch(pg::connect_options options, pg::session_profile profile) {
    profile_ = std::move(profile);
    try {
        while (true) {
            const auto begun = clock::now();
            co_await sample_all(options);
            // At a steady pace, however long the samples took, but never without a rest.
            const auto spent = std::chrono::duration_cast<std::chrono::milliseconds>(clock::now() - begun);
            const auto rest = std::max(sample_interval - spent, sample_interval / 10);
            co_await pg::sleep_for(rest);
        }
    } catch (const cancelled&) {
    } catch (const boost::system::system_error& problem) {
        if (problem.code() != asio::error::operation_aborted) {
            throw;
        }
    }
    session_.reset();
}

}  // namespace pgeist::throttle
