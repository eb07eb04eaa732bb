#include "pgeist/tasks/rehearse/measurements.hpp"

#include <algorithm>
#include <set>

namespace pgeist::rehearse {

namespace {

using clock = deadline::clock;

constexpr std::size_t most_chunks = 100'000;
constexpr std::size_t most_holders = 1000;
constexpr std::size_t told_holders = 5;

std::int64_t ms_since(clock::time_point began) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(clock::now() - began).count();
}

}  // namespace

measurements::measurements() : started_(clock::now()), settled_at_(started_) {}

report::rehearsal::phase& measurements::phase_named(const std::string& name) {
    auto found = std::find_if(phases_.begin(), phases_.end(), [&](const auto& each) { return each.name == name; });
    if (found == phases_.end()) {
        report::rehearsal::phase fresh;
        fresh.name = name;
        phases_.push_back(std::move(fresh));
        found = phases_.end() - 1;
    }
    return *found;
}

/// What has come since it was asked last, for those that were at work.
awaitable<void> measurements::settle(pg::connection& session) {
    const pg::result row = co_await session.query(
        "SELECT pg_current_wal_insert_lsn(), coalesce(pg_wal_lsn_diff(pg_current_wal_insert_lsn(), "
        "nullif($1, '')::pg_lsn), 0)::bigint",
        wal_then_);
    const std::int64_t ms = ms_since(settled_at_);
    settled_at_ = clock::now();
    wal_then_ = row.text(0, 0);
    std::int64_t left = row.integer(0, 1);
    auto sharing = static_cast<std::int64_t>(at_work_.size());
    for (const std::string& each : at_work_) {
        const std::int64_t share = left / sharing--;
        phase_named(each).wal_bytes += share;
        left -= share;
    }
    for (const std::string& each : std::set<std::string>(at_work_.begin(), at_work_.end())) {
        phase_named(each).ms += ms;
    }
}

awaitable<void> measurements::begin(pg::connection& session, std::string phase) {
    co_await settle(session);
    static_cast<void>(phase_named(phase));  // in the order in which they begin
    at_work_.push_back(std::move(phase));
}

awaitable<void> measurements::end(pg::connection& session, std::string phase) {
    co_await settle(session);
    const auto found = std::find(at_work_.begin(), at_work_.end(), phase);
    if (found != at_work_.end()) {
        at_work_.erase(found);
    }
}

awaitable<void> measurements::look_at_size(pg::connection& session, std::vector<std::string> schemas) {
    const pg::result row = co_await session.query(
        "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = "
        "c.relnamespace WHERE n.nspname = ANY ($1::text[]) AND c.relkind IN ('r', 'm')",
        pg::array_literal(schemas));
    space_ = std::max(space_, row.integer(0, 0));
}

void measurements::look(const std::vector<report::blocker>& holders) {
    ++looks_;
    free_ += holders.empty() ? 1 : 0;
    for (const report::blocker& each : holders) {
        const auto same = [&](const report::rehearsal::holder& known) {
            return known.pid == each.pid && (each.pid != 0 || known.query == each.other);
        };
        auto found = std::find_if(holders_.begin(), holders_.end(), same);
        if (found == holders_.end()) {
            if (holders_.size() >= most_holders) {
                continue;
            }
            holders_.emplace_back();
            found = holders_.end() - 1;
            found->pid = each.pid;
            found->user = each.user;
            found->application = each.application;
        }
        if (each.age.count() >= found->age_ms) {
            found->age_ms = each.age.count();
            found->query = each.pid == 0 ? each.other : each.query;
        }
        ++found->looks;
    }
}

void measurements::note(std::int64_t job, const report::progress& now) {
    std::int64_t& noted = rows_when_noted_[job];
    if (now.chunk_rows > 0 && now.rows_done != noted && chunk_ms_.size() < most_chunks) {
        noted = now.rows_done;
        chunk_ms_.push_back(now.chunk_time.count());
    }
}

void measurements::copied(std::int64_t rows) { rows_ += rows; }

report::rehearsal measurements::result() const {
    report::rehearsal found;
    found.phases = phases_;
    found.elapsed_ms = ms_since(started_);
    for (const auto& each : phases_) {
        found.wal_bytes += each.wal_bytes;
        if (each.name == "copy" && each.ms > 0 && rows_ > 0) {
            found.rows_per_second = rows_ * 1000 / each.ms;
        }
    }
    found.space_bytes = space_;
    found.rows = rows_;
    if (!chunk_ms_.empty()) {
        std::vector<std::int64_t> sorted = chunk_ms_;
        std::sort(sorted.begin(), sorted.end());
        found.chunk_ms = sorted[sorted.size() / 2];
        found.longest_chunk_ms = sorted.back();
    }
    found.looks = looks_;
    if (looks_ > 0) {
        found.lock_free_percent = 100.0 * static_cast<double>(free_) / static_cast<double>(looks_);
    }
    found.blockers = holders_;
    std::sort(found.blockers.begin(), found.blockers.end(),
              [](const auto& a, const auto& b) { return a.looks > b.looks; });
    found.blockers.resize(std::min(found.blockers.size(), told_holders));
    return found;
}

}  // namespace pgeist::rehearse
