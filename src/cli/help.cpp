#include "cli/help.hpp"

#include <algorithm>
#include <cctype>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "pgeist/report/outcome_text.hpp"
#include "pgeist/report/text.hpp"
#include "pgeist/settings/options.hpp"

namespace pgeist::cli {

namespace {

constexpr std::size_t page_columns = 80;
constexpr std::size_t option_columns = 30;
constexpr std::size_t command_columns = 26;

constexpr std::pair<group, std::string_view> headings[] = {
    {group::connection, "Connection (as psql; PG* variables, service and password files work too)"},
    {group::change, "Change (--table, and one of --alter, --file, --repack)"},
    {group::command, "Options"},
    {group::copy, "Copy"},
    {group::throttle, "Throttle"},
    {group::verify, "Verify"},
    {group::swap, "Swap"},
    {group::after, "After the swap"},
    {group::output, "Output"},
    {group::files, "Files and hooks"},
    {group::safety, "Safety"},
    {group::general, "General"},
};

/// The commands as people look for them.
const std::pair<std::string_view, std::vector<std::string_view>> sections[] = {
    {"Change", {"plan", "run", "rehearse", "revert", "cleanup"}},
    {"In place", {"backfill", "expand", "contract"}},
    {"Look", {"status", "lint", "repack-candidates"}},
    {"Steer", {"pause", "continue", "swap", "cancel", "set", "verify", "resume"}},
};

constexpr std::string_view more =
    "Every option can come from the environment (PGEIST_ and its name: PGEIST_LOCK_TIMEOUT=100ms) or from a --config "
    "file; the command line wins over the environment, the environment over the file. Times take a unit (200ms, 5s, "
    "10min), sizes too (64MB). What has \"off\" as its default can be turned off by it.";

/// `text` in lines that begin at column `indent` and end before the page does.
std::string wrapped(std::string_view text, std::size_t indent) {
    std::string out;
    std::size_t column = indent;
    std::size_t from = 0;
    while (from < text.size()) {
        const std::size_t end = std::min(text.find(' ', from), text.size());
        const std::string_view word = text.substr(from, end - from);
        const std::size_t width = report::columns_of(word);
        if (column > indent && column + 1 + width > page_columns) {
            out += "\n" + std::string(indent, ' ');
            column = indent;
        }
        out += (column > indent ? " " : "") + std::string(word);
        column += width + (column > indent ? 1 : 0);
        from = end + 1;
    }
    return out;
}

/// One line of a list: what it is on the left, what it means on the right.
std::string entry(const std::string& left, std::string_view right, std::size_t columns) {
    const bool too_long = report::columns_of(left) + 2 > columns;
    return too_long ? left + "\n" + std::string(columns, ' ') + wrapped(right, columns) + "\n"
                    : report::padded(left, columns) + wrapped(right, columns) + "\n";
}

std::string entry_of(const option_info& option) {
    std::string left = option.letter == 0 ? "      " : fmt::format("  -{}, ", option.letter);
    left += "--" + std::string(option.name) + (option.is_switch() ? "" : " " + std::string(option.value));
    std::string right(option.help);
    if (option.repeatable && option.name != "max-lag") {
        right += "; repeatable";
    }
    if (!option.fallback.empty()) {
        right += fmt::format(" (default: {})", option.fallback);
    }
    if (!option.available) {
        right += " (not available in this version)";
    }
    return entry(left, right, option_columns);
}

/// Options that a command takes by themselves stand first.
group place_in(const command_info& info, const option_info& option) {
    const bool by_itself = std::find(info.extras.begin(), info.extras.end(), option.name) != info.extras.end();
    return by_itself ? group::command : option.place;
}

/// Lint gives some of the common options another meaning.
option_info as_taken(const command_info& info, option_info option) {
    if (info.takes_files && option.name == "output") {
        option.value = "FORMAT";
        option.fallback = "text";
        option.help = "text, json (one object a line), sarif, github, gitlab or markdown";
    } else if (info.takes_files && option.name == "verbose") {
        option.help = "findings of level info and ignored ones, too";
    } else if (info.takes_files && option.name == "quiet") {
        option.help = "no summary where nothing is wrong";
    }
    return option;
}

std::string exit_codes_of_lint() {
    return "\nExit codes:\n" + entry("  0", "no finding at or above --fail-on", 6) + entry("  1", "findings", 6) +
           entry("  2", "wrong usage, or a file that cannot be read or parsed; the others are told all the same", 6) +
           entry("  6", "interrupted", 6) + entry("  9", "no connection to the server, or it was lost", 6);
}

std::string exit_codes() {
    std::string text = "\nExit codes:\n";
    for (int code = 0; code <= static_cast<int>(exit_code::connection_lost); ++code) {
        text += entry(fmt::format("  {}", code), report::meaning(static_cast<exit_code>(code)), 6);
    }
    return text;
}

}  // namespace

std::span<const std::pair<group, std::string_view>> option_headings() { return headings; }

std::string_view option_sources() { return more; }

std::string overview() {
    std::string text =
        "Changes a PostgreSQL table while the application keeps reading and writing it.\n\n"
        "Usage: pgeist COMMAND CONNECTION …\n";
    for (const auto& [heading, names] : sections) {
        text += fmt::format("\n{}:\n", heading);
        for (const command_info& info : command_catalog()) {
            const bool here = std::find(names.begin(), names.end(), info.name) != names.end();
            const std::string_view note = info.available ? "" : " (not available in this version)";
            text += !here ? ""
                          : entry(fmt::format("  {} {}", info.name, info.arguments),
                                  std::string(info.summary) + std::string(note), command_columns);
        }
    }
    text += "\n";
    text += entry("  COMMAND --help", "the options of a command", command_columns);
    text += entry("  --help, --version", "this text; the version", command_columns);
    text += "\nConnection, as psql:\n";
    for (const option_info& option : option_catalog()) {
        text += option.place == group::connection ? entry_of(option) : "";
    }
    text +=
        "\nChange: --table NAME, and --alter CLAUSES, --file FILE or --repack. Example:\n"
        "  pgeist run -d shop --table orders --alter \"ALTER COLUMN id TYPE bigint\"\n";
    return text + "\n" + wrapped(more, 0) + "\n" + exit_codes();
}

std::string help_of(const command_info& info) {
    std::string summary(info.summary);
    summary[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(summary[0])));
    summary += info.available ? "" : " (not available in this version)";
    std::string text =
        fmt::format("Usage: pgeist {}{}{}{}\n\n{}\n", info.name, info.takes_files ? " [CONNECTION]" : " CONNECTION",
                    info.arguments.empty() ? "" : " ", info.arguments, wrapped(summary, 0));
    if (info.id == command::set) {
        text += "\n" +
                wrapped(fmt::format("What can be set: {}. Only to off: {}.", run::names_of(run::steering::freely),
                                    run::names_of(run::steering::only_off)),
                        0) +
                "\n";
    }
    for (const auto& [place, heading] : headings) {
        std::string entries;
        for (const option_info& option : option_catalog()) {
            const bool here = info.takes(option) && place_in(info, option) == place;
            entries += here ? entry_of(as_taken(info, option)) : "";
        }
        text += entries.empty() ? "" : fmt::format("\n{}:\n{}", heading, entries);
    }
    return text + "\n" + wrapped(more, 0) + "\n" + (info.takes_files ? exit_codes_of_lint() : exit_codes());
}

}  // namespace pgeist::cli
