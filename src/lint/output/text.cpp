// For people: the finding, the line with a caret, what to write instead.

#include <algorithm>

#include <fmt/format.h>

#include "fields.hpp"

namespace pgeist::lint {

namespace {

constexpr std::size_t widest = 160;

class writer {
public:
    explicit writer(const text_style& style) : style_(style) {}

    void add(const finding& each) {
        const char* const colour = each.how_bad == level::error ? "31" : each.how_bad == level::warning ? "33" : "36";
        out_ += fmt::format(
            "{}:{}:{}: {} {} [{}]{}\n", one_line(each.file), each.line, each.column,
            painted(std::string(word_of(each.how_bad)) + ":", colour), one_line(each.message), each.rule,
            each.suppressed ? " (ignored" + (each.reason.empty() ? "" : ": " + one_line(each.reason)) + ")" : "");
        if (!each.source_line.empty()) {
            quote(each);
        }
        const std::string locks = lock_list(each.does);
        if (!locks.empty() && each.how_bad > level::info) {
            out_ += fmt::format("    locks: {} ({})\n", locks, probe::word_of(each.does.source));
        }
        if (each.how_bad > level::info) {
            for (const std::string& assumption : each.does.assumptions) {
                out_ += fmt::format("    note: {}\n", one_line(assumption));
            }
        }
        for (std::size_t at = 0; at < each.instead.size(); ++at) {
            out_ += fmt::format("    {} {}\n", at == 0 ? "instead:" : "        ", one_line(each.instead[at]));
        }
    }

    [[nodiscard]] std::string painted(const std::string& text, const char* colour) const {
        return style_.colour ? fmt::format("\x1b[1;{}m{}\x1b[0m", colour, text) : text;
    }

    void line(const std::string& text) { out_ += text + "\n"; }
    [[nodiscard]] std::string take() { return std::move(out_); }

private:
    /// A long line is cut around the place.
    void quote(const finding& each) {
        std::string line = one_line(each.source_line);
        std::size_t column = each.column;
        if (column > widest) {
            line = "…" + line.substr(std::min(byte_of(line, column - 20), line.size()));
            column = 21;
        }
        const std::string number = fmt::format("{}", each.line);
        out_ += fmt::format("    {} | {}\n", number, shortened(line, widest));
        out_ += fmt::format("    {} | {}{}\n", std::string(number.size(), ' '),
                            std::string(column > 0 ? column - 1 : 0, ' '), painted("^", "32"));
    }

    static std::size_t byte_of(const std::string& line, std::size_t column) {
        std::size_t at = 0;
        for (std::size_t seen = 1; at < line.size(); ++at) {
            seen += (static_cast<unsigned char>(line[at]) & 0xC0U) == 0x80 ? 0 : 1;
            if (seen > column && (static_cast<unsigned char>(line[at]) & 0xC0U) != 0x80) {
                return at;
            }
        }
        return at;
    }

    text_style style_;
    std::string out_;
};

}  // namespace

std::string as_text(const report& found, const settings& options, const text_style& style) {
    writer to(style);
    for (const finding& each : found.findings) {
        if (style.verbose || (each.how_bad > level::info && !each.suppressed)) {
            to.add(each);
        }
    }
    for (const not_analysed& each : found.gaps) {
        to.line(fmt::format("{}:{}: not analysed: {}", one_line(each.file), each.line, one_line(each.why)));
    }
    const bool quiet =
        style.quiet && found.gaps.empty() && found.count(level::error) + found.count(level::warning) == 0;
    if (!quiet) {
        to.line(summary(found, options) +
                (found.count(level::info) > 0 && !style.verbose ? " (--verbose shows the notes)" : ""));
    }
    return to.take();
}

}  // namespace pgeist::lint
