#include "pgeist/report/outcome_text.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/core/units.hpp"

namespace pgeist::report {

std::string_view meaning(exit_code code) noexcept {
    switch (code) {
        case exit_code::done:
            return "done, or nothing to do (the table already has the change)";
        case exit_code::failed:
            return "failed; unless the message says that it is swapped, the source table is as it was and still in use";
        case exit_code::usage:
            return "wrong usage";
        case exit_code::refused:
            return "refused by a preflight check, nothing changed";
        case exit_code::lock_not_obtained:
            return "gave up waiting for a lock, nothing swapped; the job can be resumed";
        case exit_code::verification_failed:
            return "verification found differences, not swapped";
        case exit_code::cancelled:
            return "cancelled by the user (command, signal)";
        case exit_code::outcome_unknown:
            return "outcome of the swap unknown: connection lost at commit and no answer since; look before you act";
        case exit_code::already_running:
            return "another run holds this table";
        case exit_code::connection_lost:
            return "connection failed or lost for good; the job can be resumed";
    }
    return "unknown";
}

std::string message_of(exit_code code) { return code == exit_code::done ? "done" : std::string(meaning(code)); }

std::string describe(const step_event& now) {
    std::string size;
    if (now.bytes_before && now.bytes_after) {
        size = fmt::format(", {} before, {} now", format_size(*now.bytes_before), format_size(*now.bytes_after));
    }
    return fmt::format("step {} of {} {} ({}): {}{}", now.number, now.of, now.state, now.method, now.statement, size);
}

std::string describe(const swap_outcome& done) {
    if (done.attempts == 0) {
        return done.told_before ? "made by an earlier run of the job"
                                : "made, but the answer was lost with the connection";
    }
    const double held = done.lock_held_ms > 0 ? done.lock_held_ms : static_cast<double>(done.lock_held.count());
    return fmt::format("at attempt {}, table locked for {:.1f} ms", done.attempts, held);
}

std::string describe(const row_order& how) {
    const auto known = [](std::optional<double> value) { return value ? fmt::format("{:.2f}", *value) : "not known"; };
    return fmt::format("{}: correlation {} before, {} now", how.by, known(how.before), known(how.after));
}

std::string describe(const verification& found) {
    return fmt::format("{} rows in {} chunks, {} differences, {} repaired", format_count(found.rows),
                       format_count(found.chunks), found.differences, found.repaired);
}

std::string next_action(exit_code code, std::optional<std::int64_t> job) {
    if (!job) {
        return {};
    }
    switch (code) {
        case exit_code::lock_not_obtained:
        case exit_code::cancelled:
        case exit_code::connection_lost:
            return fmt::format("go on with `pgeist resume {0}`, or undo it with `pgeist cleanup {0}`", *job);
        case exit_code::failed:
            return fmt::format(
                "when the reason is gone go on with `pgeist resume {0}`, or undo it with `pgeist cleanup {0}`", *job);
        case exit_code::verification_failed:
            return fmt::format("remove what the job left with `pgeist cleanup {}`", *job);
        case exit_code::outcome_unknown:
            return fmt::format("ask `pgeist status {0}`, then `pgeist resume {0}` or `pgeist cleanup {0}`", *job);
        default:
            return {};
    }
}

namespace {

bool is_letter(char c) { return c >= 'a' && c <= 'z'; }

/// The number of `hint` at `at`, after a blank; empty: there is none.
std::string number_at(const std::string& hint, std::size_t at) {
    if (at >= hint.size() || hint[at] != ' ') {
        return "";
    }
    const std::size_t end = std::min(hint.find_first_not_of("0123456789", at + 1), hint.size());
    return hint.substr(at + 1, end - at - 1);
}

}  // namespace

std::string with_job_number(std::string hint, std::optional<std::int64_t> job, std::string_view go_on) {
    if (!job) {
        return hint;
    }
    constexpr std::string_view program = "pgeist ";
    constexpr std::string_view place = " JOB";
    const std::string number = std::to_string(*job);
    for (std::size_t at = hint.find(program); at != std::string::npos; at = hint.find(program, at)) {
        at += program.size();
        std::size_t end = at;
        while (end < hint.size() && is_letter(hint[end])) {
            ++end;
        }
        const std::string command = hint.substr(at, end - at);
        const bool bare = end == hint.size() || hint[end] == ',' || hint[end] == '`';
        if (hint.compare(end, place.size(), place) == 0) {
            hint.replace(end, place.size(), " " + number);
        } else if (bare && (command == "resume" || command == "cleanup")) {
            hint.insert(end, " " + number);
        }
        if (command == "resume" && number_at(hint, end) == number) {
            hint.replace(at, command.size(), go_on);
        }
    }
    return hint;
}

}  // namespace pgeist::report
