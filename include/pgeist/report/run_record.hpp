#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pgeist/report/observer.hpp"
#include "pgeist/report/rehearsal.hpp"
#include "pgeist/report/time_source.hpp"

namespace pgeist::report {

/// Everything of a run that its report shows. Bounded: a run of days takes no more memory than one of minutes.
struct run_record {
    /// Seconds since the run began, in all members called `at`, `from` and `to`.
    using seconds = double;

    struct phase {
        report::phase what;
        seconds from = 0;
        seconds to = 0;
        std::int64_t rows = 0;
        double longest_chunk_ms = 0;  ///< how long its weak lock was held at most; 0: it has no chunks
    };
    struct sample {
        seconds at = 0;
        double rows_per_second = 0;
        double log_pending = 0;
        double chunk_ms = 0;
        double workers = 0;
        std::optional<double> lag_bytes;
    };
    struct wait {
        seconds from = 0;
        seconds to = 0;
        std::string why;
    };
    struct lock_wait {
        seconds at = 0;
        std::string phase;
        int attempt = 0;
        std::string blockers;
    };
    struct note {
        seconds at = 0;
        level severity = level::info;
        std::string text;
    };
    /// Of a swap that can be taken back, as it was told last.
    struct way_back {
        std::optional<std::string> closed;  ///< why it cannot be any more
        std::int64_t unfit = 0;             ///< rows that do not fit the table that waits
        std::int64_t pending = 0;           ///< changes not brought to it yet; -1: unknown
        std::optional<milliseconds> left;   ///< how long it will be kept open; unset: as long as is wanted
    };

    /// A table that is exchanged together with the one that the record is about.
    struct member {
        std::int64_t job = 0;
        std::string table;
        std::string phase;  ///< that it is in
        seconds phase_from = 0;
        std::int64_t rows_copied = 0;
        seconds copied_in = 0;
        std::optional<verification> verified;
    };

    std::optional<std::int64_t> job;
    std::string table;
    std::vector<member> members;
    std::string strategy;
    std::string change;  ///< what was asked for
    std::string server;  ///< where, without password; may be empty
    wall::time_point started_at;
    wall::time_point ended_at;
    seconds elapsed = 0;

    std::vector<phase> phases;
    std::vector<sample> samples;
    std::vector<wait> throttled;
    std::vector<lock_wait> lock_waits;
    std::size_t lock_waits_left_out = 0;
    std::vector<note> notes;
    std::vector<std::string> before;  ///< the table's definition, one line a property, sorted
    std::vector<std::string> after;
    std::optional<verification> verified;
    std::string verified_before;  ///< what an earlier run of the job found; empty: none has compared
    std::optional<swap_outcome> swapped;
    std::optional<rehearsal> rehearsed;
    std::optional<way_back> back;  ///< unset: there is none
    outcome ended;
};

/// The report as one HTML page that loads nothing: no script, no font, no picture from elsewhere.
[[nodiscard]] std::string html_report(const run_record& run);

}  // namespace pgeist::report
