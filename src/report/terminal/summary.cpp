#include "pgeist/report/terminal/summary.hpp"

#include <fmt/format.h>

#include "pgeist/core/units.hpp"
#include "pgeist/report/outcome_text.hpp"
#include "pgeist/report/text.hpp"

namespace pgeist::report {

namespace {

std::string fact(std::string_view name, const std::string& value) { return fmt::format("  {:<13} {}\n", name, value); }

std::string count_of(std::int64_t count, std::string_view one, std::string_view many) {
    return fmt::format("{} {}", format_count(count), count == 1 ? one : many);
}

std::string phases_of(const phase_times& phases) {
    std::string text;
    for (const auto& [name, time] : phases.entries()) {
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, format_duration(time));
    }
    return text;
}

std::string verification_of(const verification& found) {
    std::string text =
        fmt::format("{}, {}, ", count_of(found.chunks, "chunk", "chunks"), count_of(found.rows, "row", "rows"));
    text += found.differences == 0 ? "no differences" : count_of(found.differences, "difference", "differences");
    if (found.repaired > 0) {
        text += fmt::format(" ({} repaired and compared again)", format_count(found.repaired));
    }
    if (found.rows_after.value_or(0) > 0) {
        text += fmt::format("; {} since, and another value given by who wrote",
                            count_of(*found.rows_after, "row has been written", "rows have been written"));
    }
    return text;
}

}  // namespace

std::string summary(const run_facts& facts) {
    std::string text = fmt::format("Done in {}: {}", format_duration(facts.elapsed), one_line(facts.table));
    text += facts.job ? fmt::format(", job {}\n", *facts.job) : "\n";
    if (facts.rows_copied > 0) {
        text += fact("rows", format_count(facts.rows_copied) + " copied");
    }
    if (!facts.phases.entries().empty()) {
        text += fact("phases", phases_of(facts.phases));
    }
    if (facts.verified) {
        text += fact("verification", verification_of(*facts.verified));
    } else if (!facts.verified_before.empty()) {
        text += fact("verification", one_line(facts.verified_before) + ", by an earlier run of the job");
    } else if (facts.swapped && facts.swapped->attempts > 0) {
        text += fact("verification", "off");
    }
    if (facts.swapped) {
        text += fact("swap", describe(*facts.swapped));
        if (facts.swapped->order) {
            text += fact("row order", one_line(describe(*facts.swapped->order)));
        }
        if (const auto& kept = facts.swapped->old_table) {
            const std::string remove = facts.job ? fmt::format("; remove it with `pgeist cleanup {}`", *facts.job) : "";
            text += fact("old table", kept->empty() ? "dropped" : "kept as " + one_line(*kept) + remove);
        }
    }
    return text;
}

}  // namespace pgeist::report
