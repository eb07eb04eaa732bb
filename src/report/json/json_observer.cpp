#include "pgeist/report/json/json_observer.hpp"

#include <string>
#include <utility>

#include "pgeist/core/json_text.hpp"
#include "pgeist/report/outcome_text.hpp"
#include "pgeist/report/rehearsal.hpp"
#include "pgeist/report/text.hpp"

namespace pgeist::report {

namespace {

constexpr auto progress_interval = std::chrono::seconds(1);

std::string_view name_of(level severity) {
    switch (severity) {
        case level::info:
            return "info";
        case level::warning:
            return "warning";
        case level::error:
            break;
    }
    return "error";
}

std::string as_json(const std::vector<blocker>& blockers) {
    std::string list = "[";
    for (const blocker& one : blockers) {
        json_line object;
        object.integer("pid", one.pid).text("user", one.user).text("application", one.application);
        object.text("state", one.state).integer("age_ms", one.age.count()).text("query", one.query);
        if (!one.other.empty()) {
            object.text("other", one.other);
        }
        list += (list.size() > 1 ? "," : "") + object.str();
    }
    return list + "]";
}

/// Unknown is null, not a number that means it.
std::optional<std::int64_t> known(std::int64_t value, bool is_known) {
    return is_known ? std::optional<std::int64_t>(value) : std::nullopt;
}

}  // namespace

json_observer::json_observer(sink& out, time_source time) : out_(&out), time_(std::move(time)), begun_(time_.now()) {}

json_line json_observer::event(std::string_view name) const {
    json_line line;
    line.text("time", timestamp(time_.today())).integer("job", job_).text("event", name);
    return line;
}

void json_observer::write(const json_line& line, importance weight) { out_->write(line.str() + "\n", weight); }

void json_observer::job_started(std::int64_t job, const std::string& table, const std::string& strategy) {
    if (job_ != job) {  // else it is a part of the one that was started
        started_ = job;
    }
    job_ = job;
    const auto about = table.empty() ? std::nullopt : std::optional<std::string>(table);  // several tables: none
    write(event("job").integer("id", job).text("table", about).text("strategy", strategy));
}

void json_observer::phase_started(const phase& now) {
    story& of = of_job();
    end_phase(of);
    of.now = now;
    of.rate.reset();
    of.written.reset();
    write(event("phase").text("name", now.name).text("lock", now.lock));
}

void json_observer::progressed(const progress& now) {
    story& of = of_job();
    const auto at = time_.now();
    of.last = now;
    of.rate.add(at, now.rows_done);
    of.held_back = of.written && at - *of.written < progress_interval;
    if (!of.held_back) {
        of.written = at;
        write_progress(of, importance::droppable);
    }
}

void json_observer::write_progress(story& of, importance weight) {
    const progress& last = of.last;
    json_line line = event("progress");
    line.text("phase", of.now.name).integer("rows_done", last.rows_done);
    line.integer("rows_total", known(last.rows_total, last.rows_total > 0));
    const bool rows = of.now.counts_rows();
    const auto& server = last.server;
    line.number("percent", server ? server->percent : percent_of(last.rows_done, last.rows_total), 2);
    line.number("rows_per_second", rows ? of.rate.rows_per_second() : std::nullopt, 0);
    const auto by_rows = rows ? of.rate.eta_seconds(last.rows_total) : std::nullopt;
    line.number("eta_seconds", server ? server->eta_seconds : by_rows, 1);
    line.number("run_eta_seconds", last.run_eta_seconds, 1);
    line.text("server_phase", server ? std::optional<std::string>(server->phase) : std::nullopt);
    line.integer("log_pending", known(last.log_pending, last.log_pending >= 0));
    line.text("throttled", last.throttled).text("detail", last.detail);
    line.integer("workers", known(last.workers, last.workers > 0));
    line.integer("chunk_rows", known(last.chunk_rows, last.chunk_rows > 0));
    line.integer("chunk_ms", known(last.chunk_time.count(), last.chunk_rows > 0));
    line.integer("lag_bytes", last.lag_bytes);
    line.integer("lag_ms", last.lag_time ? std::optional<std::int64_t>(last.lag_time->count()) : std::nullopt);
    write(line, weight);
}

void json_observer::end_phase(story& of) {
    if (std::exchange(of.held_back, false)) {
        write_progress(of, importance::needed);
    }
}

void json_observer::lock_waited(int attempt, milliseconds waited, const std::vector<blocker>& blockers) {
    json_line line = event("lock_wait");
    line.integer("attempt", attempt).integer("waited_ms", waited.count()).raw("blockers", as_json(blockers));
    write(line);
}

void json_observer::verified(const verification& found) {
    json_line line = event("verify");
    line.integer("chunks", found.chunks).integer("rows", found.rows);
    line.integer("differences", found.differences).integer("repaired", found.repaired);
    if (found.rows_after) {
        line.integer("rows_after", *found.rows_after);
        rows_after_ = job_ == started_ ? found.rows_after : rows_after_;
    }
    write(line);
}

void json_observer::swapped(const swap_outcome& done) {
    swapped_ = true;
    const double held = done.lock_held_ms > 0 ? done.lock_held_ms : static_cast<double>(done.lock_held.count());
    json_line line = event(done.back ? "reverted" : "swap");
    const std::optional<double> known = done.attempts > 0 ? std::optional<double>(held) : std::nullopt;
    line.integer("attempts", done.attempts).number("lock_held_ms", known, 3);
    const bool kept = done.old_table && !done.old_table->empty();
    line.text("old_table", kept ? done.old_table : std::nullopt);
    if (done.order) {
        line.text("order_by", done.order->by).number("correlation_before", done.order->before, 4);
        line.number("correlation_after", done.order->after, 4);
    }
    write(line);
}

void json_observer::rehearsed(const rehearsal& found) {
    json_line line = event("rehearsal");
    const auto all = json_from(to_json(found));
    for (const auto& each : all.as_object()) {
        line.raw(each.key(), harmless(boost::json::serialize(each.value())));
    }
    write(line);
}

void json_observer::step_changed(const step_event& now) {
    json_line line = event("step");
    line.integer("number", now.number).integer("of", now.of).text("statement", now.statement);
    line.text("method", now.method).text("state", now.state);
    if (now.bytes_before) {
        line.integer("bytes_before", now.bytes_before).integer("bytes_after", now.bytes_after);
    }
    write(line);
}

void json_observer::not_revertible(const std::string& why) { write(event("not_revertible").text("reason", why)); }

void json_observer::message(level severity, const std::string& text) {
    if (severity == level::info && job_ == started_) {
        last_info_ = text;
    }

    write(event("message").text("level", name_of(severity)).text("text", text));
}

std::string json_observer::default_message(exit_code code) const {
    // A command that had nothing to do, or only one thing, has said so.
    return code == exit_code::done && !swapped_ && !last_info_.empty() ? last_info_ : message_of(code);
}

void json_observer::finished(const outcome& result) {
    const std::optional<std::int64_t> leads = job_;
    for (auto& [job, of] : stories_) {
        job_ = leads ? std::optional<std::int64_t>(job) : std::nullopt;
        end_phase(of);
    }
    job_ = leads;
    const auto elapsed = std::chrono::duration_cast<milliseconds>(time_.now() - begun_);
    const std::string hint = result.hint.empty() ? next_action(result.code, job_) : result.hint;
    json_line line = event("result");
    line.integer("exit_code", static_cast<std::int64_t>(result.code));
    line.text("message", result.message.empty() ? default_message(result.code) : result.message);
    line.text("hint", hint).integer("elapsed_ms", elapsed.count());
    if (rows_after_) {
        line.integer("rows_after", *rows_after_);
    }
    write(line);
}

}  // namespace pgeist::report
