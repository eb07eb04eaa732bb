#include "figures.hpp"

#include <algorithm>
#include <chrono>

#include "pgeist/pg/parallel.hpp"
#include "pgeist/watch/statement_watch.hpp"

namespace pgeist::build {

namespace {

constexpr auto between_looks = std::chrono::milliseconds(500);

/// An index of which nothing is known weighs something, too.
double weight_of(const plan::index& index) { return static_cast<double>(std::max<std::int64_t>(1, index.build_cost)); }

}  // namespace

figures::figures(workspace& work, const std::vector<const plan::index*>& all) : work_(&work) {
    for (const plan::index* each : all) {
        all_ += weight_of(*each);
    }
}

figures::~figures() { work_->progress.server.reset(); }

void figures::seen(const plan::index& index, const watch::build_row& row) {
    at_work_[&index] = weight_of(index) * watch::percent_of(row) / 100;
    show(row.phase);
}

void figures::done(const plan::index& index) {
    at_work_.erase(&index);
    done_ += weight_of(index);
    if (work_->progress.server) {
        show(work_->progress.server->phase);
    }
}

void figures::unknown(const plan::index& index) { at_work_.erase(&index); }

void figures::show(std::string phase) {
    double reached = done_;
    for (const auto& [index, cost] : at_work_) {
        reached += cost;
    }
    report::server_figures now;
    now.phase = std::move(phase);
    now.percent = all_ > 0 ? std::min(100.0, 100 * reached / all_) : 0;
    pace_.add(std::chrono::steady_clock::now(), now.percent);
    now.eta_seconds = pace_.eta_seconds();
    work_->progress.server = std::move(now);
}

namespace {

awaitable<void> execute(pg::connection& session, const std::string& sql) { co_await session.execute(sql); }

awaitable<void> look_again_and_again(workspace& work, int pid, figures& told, const plan::index& index) {
    const auto session = co_await work.pool.acquire();
    while (true) {
        const watch::look now = co_await watch::look_at(*session, pid);
        if (now.build) {
            told.seen(index, *now.build);
        }
        co_await pg::sleep_for(between_looks);
    }
}

/// A hint for people: that there is no session to be had for it, or that the server does not answer, is no reason to
/// give up the build.
awaitable<void> keep_watch(workspace& work, int pid, figures& told, const plan::index& index) {
    while (true) {
        co_await pg::sleep_for(between_looks);  // most builds are shorter, and need no other session
        try {
            co_await look_again_and_again(work, pid, told, index);
        } catch (const pg::sql_error&) {
            told.unknown(index);
        }
    }
}

}  // namespace

awaitable<void> run_told(workspace& work, pg::connection& session, std::string sql, figures& told,
                         const plan::index& index) {
    std::vector<awaitable<void>> beside;
    beside.push_back(keep_watch(work, session.backend_pid(), told, index));
    co_await pg::run_beside(execute(session, sql), std::move(beside));
}

}  // namespace pgeist::build
