#include "svg_chart.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "pgeist/core/units.hpp"
#include "pgeist/report/text.hpp"

namespace pgeist::report {

namespace {

// Units of the viewBox; the page scales it.
constexpr double width = 900;
constexpr double height = 170;
constexpr double left = 78;
constexpr double right = 12;
constexpr double top = 12;
constexpr double bottom = 24;

/// Where things stand on the line of time.
struct scale {
    double seconds;
    [[nodiscard]] double x(double at) const {
        return left + (width - left - right) * std::clamp(at / std::max(seconds, 1e-3), 0.0, 1.0);
    }
};

/// 1, 2 or 5 times a power of ten, at least `value`: what an axis ends with.
double rounded_up(double value) {
    if (value <= 0) {
        return 1;
    }
    const double power = std::pow(10, std::floor(std::log10(value)));
    for (const double step : {1.0, 2.0, 5.0}) {
        if (value <= step * power) {
            return step * power;
        }
    }
    return 10 * power;
}

std::string bands(const run_record& run, const scale& time, double from, double to) {
    std::string out;
    for (std::size_t at = 0; at < run.phases.size(); ++at) {
        const auto& phase = run.phases[at];
        out += fmt::format(
            "<rect class=\"band{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"><title>{}: "
            "{}</title></rect>",
            at % 2, time.x(phase.from), from, std::max(0.5, time.x(phase.to) - time.x(phase.from)), to - from,
            html_escaped(phase.what.name), seconds_text(phase.to - phase.from));
    }
    for (const auto& wait : run.throttled) {
        out += fmt::format(
            "<rect class=\"wait\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"><title>waited {}: "
            "{}</title></rect>",
            time.x(wait.from), from, std::max(1.0, time.x(wait.to) - time.x(wait.from)), to - from,
            seconds_text(wait.to - wait.from), html_escaped(wait.why));
    }
    for (const auto& attempt : run.lock_waits) {
        out += fmt::format(
            "<line class=\"lock\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\"><title>lock, attempt "
            "{3}: {4}</title></line>",
            time.x(attempt.at), from, to, attempt.attempt, html_escaped(attempt.blockers));
    }
    return out;
}

std::string time_axis(const scale& time, double y) {
    std::string out;
    constexpr int parts = 4;
    for (int part = 0; part <= parts; ++part) {
        const double at = time.seconds * part / parts;
        const char* anchor = part == 0 ? "start" : part == parts ? "end" : "middle";
        out += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>", time.x(at), y, anchor,
                           part == 0 ? "0" : seconds_text(at));
    }
    return out;
}

std::string opening(double tall, const std::string& label) {
    return fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">", width, tall, html_escaped(label));
}

}  // namespace

std::string html_escaped(std::string_view text) {
    std::string out;
    for (const char letter : harmless(text)) {
        switch (letter) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            case '\'':
                out += "&#39;";
                break;
            default:
                out += letter;
        }
    }
    return out;
}

std::string svg_chart(const chart& what, const run_record& run) {
    const scale time{run.elapsed};
    double most = 0;
    for (const auto& [at, value] : what.points) {
        most = std::max(most, value);
    }
    most = rounded_up(most);
    const double floor = height - bottom;
    const auto y = [&](double value) { return floor - (floor - top) * std::clamp(value / most, 0.0, 1.0); };

    std::string svg = opening(height, what.title) + bands(run, time, top, floor);
    for (const double part : {0.0, 0.5, 1.0}) {
        svg += fmt::format("<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>", left,
                           width - right, y(most * part), y(most * part));
        svg += fmt::format("<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>", left - 6, y(most * part) + 4,
                           html_escaped(what.shown(most * part)));
    }
    std::string line;
    for (const auto& [at, value] : what.points) {
        line += fmt::format("{:.1f},{:.1f} ", time.x(at), y(value));
    }
    if (!what.points.empty()) {
        svg += fmt::format("<polygon class=\"area\" points=\"{:.1f},{:.1f} {}{:.1f},{:.1f}\"/>",
                           time.x(what.points.front().first), floor, line, time.x(what.points.back().first), floor);
        svg += fmt::format("<polyline class=\"curve\" points=\"{}\"/>", line);
    }
    return svg + time_axis(time, height - 6) + "</svg>";
}

std::string svg_timeline(const run_record& run) {
    constexpr double tall = 76;
    const scale time{run.elapsed};
    std::string svg = opening(tall, "phases over time") + bands(run, time, 8, 44);
    double free_from = 0;
    for (const auto& phase : run.phases) {
        // A name that has no room would run into its neighbour.
        const double room = time.x(phase.to) - time.x(phase.from);
        const double needed = 7.0 * static_cast<double>(phase.what.name.size()) + 6;
        if (room >= needed && time.x(phase.from) >= free_from) {
            svg += fmt::format("<text class=\"name\" x=\"{:.1f}\" y=\"31\">{}</text>", time.x(phase.from) + 4,
                               html_escaped(phase.what.name));
            free_from = time.x(phase.from) + needed;
        }
    }
    return svg + time_axis(time, 62) + "</svg>";
}

}  // namespace pgeist::report
