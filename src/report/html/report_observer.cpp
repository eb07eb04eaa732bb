#include "pgeist/report/html/report_observer.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/report/outcome_text.hpp"
#include "pgeist/report/replace_file.hpp"

namespace pgeist::report {

namespace {

constexpr std::size_t most_samples = 600;  // more than a chart has columns
constexpr std::size_t most_entries = 200;  // of a list: nobody reads further

}  // namespace

report_observer::report_observer(std::string path, std::string change, time_source time,
                                 std::function<void(const std::string&)> complain)
    : path_(std::move(path)), time_(std::move(time)), complain_(std::move(complain)), begun_(time_.now()) {
    record_.change = std::move(change);
    record_.started_at = time_.today();
}

double report_observer::at() const { return std::chrono::duration<double>(time_.now() - begun_).count(); }

run_record::member* report_observer::find_member(std::int64_t job) {
    const auto found = std::find_if(record_.members.begin(), record_.members.end(),
                                    [&](const run_record::member& each) { return each.job == job; });
    return found == record_.members.end() ? nullptr : &*found;
}

run_record::member* report_observer::beside() { return find_member(told_of_); }

void report_observer::concerns(std::int64_t job) { told_of_ = job; }

void report_observer::job_started(std::int64_t job, const std::string& table, const std::string& strategy) {
    if (record_.job && job != *record_.job) {
        if (job != in_its_place_ && find_member(job) == nullptr && record_.members.size() < most_entries) {
            record_.members.push_back({job, table, {}, 0, 0, 0, {}});
        }
        return;
    }
    record_.job = job;
    record_.table = table;
    record_.strategy = strategy;
}

void report_observer::end_phase() {
    if (!record_.phases.empty()) {
        record_.phases.back().to = at();
    }
}

void report_observer::phase_started(const phase& now) {
    if (run_record::member* other = beside()) {
        other->copied_in += other->phase == "copy" ? at() - other->phase_from : 0;
        other->phase = now.name;
        other->phase_from = at();
        return;
    }
    end_phase();
    run_record::phase next;
    next.what = now;
    next.from = next.to = at();
    if (record_.phases.size() < most_entries) {
        record_.phases.push_back(std::move(next));
    }
    last_sample_at_ = at();
    last_sample_rows_ = 0;
}

void report_observer::note_throttle(const progress& now) {
    const auto change = waits_.seen(time_.now(), now.throttled);
    const bool open = !record_.throttled.empty() && record_.throttled.back().to < 0;
    if (!change) {
        return;
    }
    const std::chrono::duration<double> began = *waits_.since() - begun_;
    if (change->waits && !open && record_.throttled.size() < most_entries) {
        record_.throttled.push_back(run_record::wait{began.count(), -1, change->why});
    } else if (!change->waits && open) {
        record_.throttled.back().to = began.count();
    }
}

void report_observer::sample(const progress& now) {
    const double span = at() - last_sample_at_;
    if (span < interval_) {
        return;
    }
    run_record::sample one;
    one.at = at();
    const auto rows = std::max<std::int64_t>(0, now.rows_done - last_sample_rows_);
    const bool counts = !record_.phases.empty() && record_.phases.back().what.counts_rows();
    one.rows_per_second = counts ? static_cast<double>(rows) / span : 0;
    one.log_pending = static_cast<double>(std::max<std::int64_t>(0, now.log_pending));
    // What the last chunk took is remembered by the run; it is news only while there are chunks.
    const bool has_chunks = !record_.phases.empty() && record_.phases.back().what.in_chunks;
    one.chunk_ms = has_chunks ? static_cast<double>(now.chunk_time.count()) : 0;
    one.workers = now.workers;
    if (now.lag_bytes) {
        one.lag_bytes = static_cast<double>(*now.lag_bytes);
    }
    last_sample_at_ = one.at;
    last_sample_rows_ = now.rows_done;
    record_.samples.push_back(one);
    if (record_.samples.size() >= most_samples) {
        std::size_t kept = 0;
        for (std::size_t from = 0; from + 1 < record_.samples.size(); from += 2) {
            run_record::sample merged = record_.samples[from + 1];
            merged.rows_per_second = (record_.samples[from].rows_per_second + merged.rows_per_second) / 2;
            merged.log_pending = std::max(record_.samples[from].log_pending, merged.log_pending);
            merged.chunk_ms = std::max(record_.samples[from].chunk_ms, merged.chunk_ms);
            merged.lag_bytes = std::max(record_.samples[from].lag_bytes, merged.lag_bytes);
            record_.samples[kept++] = merged;
        }
        record_.samples.resize(kept);
        interval_ *= 2;
    }
}

void report_observer::progressed(const progress& now) {
    if (run_record::member* other = beside()) {
        other->rows_copied = other->phase == "copy" ? now.rows_done : other->rows_copied;
        return;
    }
    note_throttle(now);
    note_way_back(now);
    sample(now);
    if (!record_.phases.empty()) {
        auto& phase = record_.phases.back();
        phase.rows = phase.what.counts_rows() ? now.rows_done : 0;
        if (now.chunk_rows > 0 && phase.what.in_chunks) {
            phase.longest_chunk_ms = std::max(phase.longest_chunk_ms, static_cast<double>(now.chunk_time.count()));
        }
    }
}

void report_observer::lock_waited(int attempt, milliseconds, const std::vector<blocker>& blockers) {
    if (record_.lock_waits.size() >= most_entries) {
        ++record_.lock_waits_left_out;
        return;
    }
    run_record::lock_wait one;
    one.at = at();
    one.phase = record_.phases.empty() ? "" : record_.phases.back().what.name;
    one.attempt = attempt;
    one.blockers = describe(blockers, true);
    record_.lock_waits.push_back(std::move(one));
}

void report_observer::verified(const verification& found) {
    if (run_record::member* other = beside()) {
        other->verified = found;
    } else {
        record_.verified = found;
    }
}

void report_observer::rehearsed(const rehearsal& found) { record_.rehearsed = found; }

void report_observer::verified_before(const std::string& what) {
    if (beside() == nullptr) {
        record_.verified_before = what;
    }
}

void report_observer::not_revertible(const std::string& why) {
    if (!record_.back) {
        record_.back.emplace();
    }
    record_.back->closed = why;
}

void report_observer::note_way_back(const progress& now) {
    if (!now.unfit) {
        return;
    }
    if (!record_.back) {
        record_.back.emplace();
    }
    record_.back->unfit = *now.unfit;
    record_.back->pending = now.log_pending;
    record_.back->left = now.window_left;
}

void report_observer::swapped(const swap_outcome& done) {
    if (beside() == nullptr) {  // the others are in the same transaction
        record_.swapped = done;
    }
}

void report_observer::message(level severity, const std::string& text) {
    if (record_.notes.size() < most_entries) {
        const run_record::member* other = beside();
        const std::string about = other == nullptr ? "" : fmt::format("job {} ({}): ", other->job, other->table);
        record_.notes.push_back(run_record::note{at(), severity, about + text});
    }
}

void report_observer::described(const description& what) {
    record_.server = what.server;
    record_.change = what.change;
    record_.before = what.before;
    record_.after = what.after;
}

void report_observer::finished(const outcome& result) {
    end_phase();
    for (auto& each : record_.throttled) {
        each.to = each.to < 0 ? at() : each.to;
    }
    record_.elapsed = at();
    record_.ended_at = time_.today();
    record_.ended = result;
    if (result.message.empty()) {
        record_.ended.message = message_of(result.code);
    }
    if (result.hint.empty()) {
        record_.ended.hint = next_action(result.code, record_.job);
    }
    const std::string failure = replace_file(path_, html_report(record_), readers::owner_and_group);
    if (!failure.empty()) {
        complain_("--report: " + failure);
    }
}

}  // namespace pgeist::report
