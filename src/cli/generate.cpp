#include "cli/generate.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "cli/catalog.hpp"
#include "cli/help.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/lint/lint.hpp"
#include "pgeist/report/outcome_text.hpp"
#include "pgeist/report/text.hpp"
#include "pgeist/settings/options.hpp"
#include "pgeist/steps/methods_page.hpp"

namespace pgeist::cli {

namespace {

bool exists(const option_info& option) { return option.available; }

/// Text in roff: dashes that are dashes, no requests by accident.
std::string roff(std::string_view text) {
    std::string out;
    for (const char letter : report::to_ascii(text)) {
        if (letter == '\\') {
            out += "\\e";
        } else if (letter == '-') {
            out += "\\-";
        } else if ((letter == '.' || letter == '\'') && (out.empty() || out.back() == '\n')) {
            out += "\\&" + std::string(1, letter);
        } else {
            out += letter;
        }
    }
    return out;
}

std::string_view steered(const option_info& option) {
    switch (option.steerable) {
        case run::steering::freely:
            return ". Can be changed by \\fBpgeist set\\fR";
        case run::steering::only_off:
            return ". Can be taken away by \\fBpgeist set\\fR, with the value off";
        case run::steering::never:
            break;
    }
    return "";
}

std::string_view in_set_column(run::steering kind) {
    switch (kind) {
        case run::steering::freely:
            return "yes";
        case run::steering::only_off:
            return "off";
        case run::steering::never:
            break;
    }
    return "";
}

std::string roff_option(const option_info& option) {
    std::string name = option.letter == 0 ? "" : fmt::format("\\fB\\-{}\\fR, ", option.letter);
    name += "\\fB" + roff("--" + std::string(option.name)) + "\\fR";
    name += option.is_switch() ? "" : " \\fI" + roff(option.value) + "\\fR";
    return ".TP\n" + name + "\n" + roff(option.help) +
           (option.fallback.empty() ? "" : roff(fmt::format(" (default: {})", option.fallback))) +
           std::string(steered(option)) + ".\n";
}

std::string man_page() {
    std::string text =
        ".TH PGEIST 1 \"\" \"pgeist\" \"User Commands\"\n.SH NAME\n"
        "pgeist \\- changes a live PostgreSQL table online\n.SH SYNOPSIS\n";
    for (const command_info& info : command_catalog()) {
        text += info.available ? fmt::format(".B pgeist {}\n.I {}{}\n.br\n", roff(info.name),
                                             info.takes_files ? "[CONNECTION] " : "CONNECTION ", roff(info.arguments))
                               : "";
    }
    text +=
        ".SH DESCRIPTION\npgeist changes the schema of a PostgreSQL table, or rebuilds it without bloat, while the "
        "application keeps reading and writing it: shadow table, change log, chunked copy, replay, comparison of "
        "every row, swap under a lock held for milliseconds.\n.SH COMMANDS\n";
    for (const command_info& info : command_catalog()) {
        text += info.available ? fmt::format(".TP\n\\fB{}\\fR \\fI{}\\fR\n{}.\n", roff(info.name), roff(info.arguments),
                                             roff(info.summary))
                               : "";
    }
    text += ".SH OPTIONS\n";
    for (const auto& [place, heading] : option_headings()) {
        std::string entries;
        for (const option_info& option : option_catalog()) {
            entries += option.place == place && exists(option) ? roff_option(option) : "";
        }
        text += entries.empty() ? "" : ".SS " + roff(heading) + "\n" + entries;
    }
    text += ".SH EXIT STATUS\n";
    for (int code = 0; code <= static_cast<int>(exit_code::connection_lost); ++code) {
        text += fmt::format(".TP\n{}\n{}\n", code, roff(report::meaning(static_cast<exit_code>(code))));
    }
    text += ".SH ENVIRONMENT\n" + roff(option_sources()) +
            "\n.PP\nThe variables of libpq (PGHOST, PGUSER, PGPASSFILE and so on) work as for\n.BR psql (1).\n"
            ".SH SEE ALSO\n.BR psql (1)\n";
    return text;
}

/// Text in a cell of a table.
std::string cell(std::string_view text) {
    std::string out;
    for (const char letter : text) {
        out += letter == '|' ? std::string("\\|") : std::string(1, letter);
    }
    return out;
}

std::string markdown() {
    std::string text =
        "# Options\n\nMade by `pgeist --print markdown`; `scripts/check_docs.py` compares. \"set\": `pgeist set` "
        "changes it "
        "while a job\nruns (\"off\": can take it away), and `pgeist resume` takes it.\n\n" +
        std::string(option_sources()) + "\n";
    for (const auto& [place, heading] : option_headings()) {
        std::string rows;
        for (const option_info& option : option_catalog()) {
            if (option.place != place || !exists(option)) {
                continue;
            }
            const std::string letter = option.letter == 0 ? "" : fmt::format("-{}, ", option.letter);
            const std::string value = option.is_switch() ? "" : " " + std::string(option.value);
            rows += fmt::format("| `{}--{}{}` | {} | {} | {} |\n", letter, option.name, cell(value),
                                cell(option.fallback), in_set_column(option.steerable), cell(option.help));
        }
        text += rows.empty() ? ""
                             : fmt::format("\n## {}\n\n| option | default | set | meaning |\n|---|---|---|---|\n{}",
                                           heading, rows);
    }
    return text;
}

/// The words of `a|b|c`.
std::vector<std::string> split_words(std::string_view all) {
    std::vector<std::string> words;
    for (std::size_t from = 0; from <= all.size();) {
        const std::size_t bar = std::min(all.find('|', from), all.size());
        words.emplace_back(all.substr(from, bar - from));
        from = bar + 1;
    }
    return words;
}

/// What a value of the option can be, for completion: `file`, `folder`, or the words of `a|b|c`.
std::vector<std::string> choices(const option_info& option) {
    std::vector<std::string> words;
    if (option.name == "progress" || option.name == "output" || option.name == "log-format") {
        words = split_words(option.value);
        if (option.name == "output") {
            words.insert(words.end(), {"text", "sarif", "github", "gitlab", "markdown"});
        }
    } else if (option.name == "on-blocked") {
        words = {"wait", "cancel", "terminate"};
    } else if (option.name == "verify") {
        words = {"full", "sample:", "off"};
    } else if (option.name == "print") {
        words = {"man", "markdown", "lint", "methods", "bash", "zsh"};
    } else if (option.name == "transaction" || option.name == "fail-on") {
        words = split_words(option.value);
    }
    return words;
}

bool names_file(const option_info& option) {
    const std::string_view value = option.value;
    return value.starts_with("FILE") || value == "PATH" || value == "FOLDER";
}

std::string options_of(const command_info& info) {
    std::string names;
    for (const option_info& option : option_catalog()) {
        if (info.takes(option) && exists(option)) {
            names += (names.empty() ? "--" : " --") + std::string(option.name);
        }
    }
    return names;
}

std::string steerable() {
    std::string names;
    for (const run::option& each : run::options()) {
        names +=
            each.steerable != run::steering::never ? (names.empty() ? "" : " ") + std::string(each.name) + "=" : "";
    }
    return names;
}

std::string bash_completion() {
    std::string commands;
    std::string options;
    for (const command_info& info : command_catalog()) {
        if (info.available) {
            commands += (commands.empty() ? "" : " ") + std::string(info.name);
            options += fmt::format("        {}) words='{}' ;;\n", info.name, options_of(info));
        }
    }
    std::string values;
    std::string files;
    for (const option_info& option : option_catalog()) {
        const auto words = choices(option);
        if (!words.empty()) {
            values += fmt::format("        --{}) COMPREPLY=($(compgen -W '{}' -- \"$current\")); return ;;\n",
                                  option.name, fmt::join(words, " "));
        }
        files += names_file(option) ? (files.empty() ? "--" : "|--") + std::string(option.name) : "";
    }
    return fmt::format(R"bash(# bash completion for pgeist; made by: pgeist --print bash
_pgeist() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}} command= words= each
    for each in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        [[ $each == -* ]] || {{ command=$each; break; }}
    done
    case $previous in
{}        {}) COMPREPLY=($(compgen -f -- "$current")); return ;;
    esac
    case $command in
        '') words='{} --help --version --print' ;;
{}    esac
    if [[ $command == lint && $current != -* ]]; then
        COMPREPLY=($(compgen -f -- "$current"))
        return
    fi
    if [[ $command == set && $current != -* ]]; then
        COMPREPLY=($(compgen -W '{}' -- "$current"))
        compopt -o nospace
        return
    fi
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -F _pgeist pgeist
)bash",
                       values, files, commands, options, steerable());
}

/// A description in the words of zsh's _arguments: no brackets, colons or quotes that mean something there.
std::string zsh_text(std::string_view text) {
    std::string out;
    for (const char letter : report::to_ascii(text)) {
        out += letter == '\''  ? ""
               : letter == '[' ? "("
               : letter == ']' ? ")"
               : letter == ':' ? " "
                               : std::string(1, letter);
    }
    return out;
}

std::string zsh_option(const option_info& option) {
    std::string spec = fmt::format("{}--{}", option.repeatable ? "*" : "", option.name);
    spec += option.is_switch() ? "" : "=";
    spec += fmt::format("[{}]", zsh_text(option.help));
    if (!option.is_switch()) {
        const auto words = choices(option);
        spec += fmt::format(":{}:", zsh_text(option.value));
        spec += names_file(option) ? "_files" : words.empty() ? "" : fmt::format("({})", fmt::join(words, " "));
    }
    return spec;
}

std::string zsh_completion() {
    std::string commands;
    std::string cases;
    for (const command_info& info : command_catalog()) {
        if (!info.available) {
            continue;
        }
        commands += fmt::format("        '{}:{}'\n", info.name, zsh_text(info.summary));
        cases += fmt::format("        {})\n            _arguments -s \\\n", info.name);
        for (const option_info& option : option_catalog()) {
            cases += info.takes(option) && exists(option) ? fmt::format("                '{}' \\\n", zsh_option(option))
                                                          : "";
        }
        cases += info.id == command::set ? fmt::format("                '*:setting:({})' ;;\n", steerable())
                 : info.takes_files      ? "                '*:file:_files' ;;\n"
                                         : "                '*: :' ;;\n";
    }
    return fmt::format(R"zsh(#compdef pgeist
# zsh completion for pgeist; made by: pgeist --print zsh
_pgeist() {{
    local -a commands
    commands=(
{}    )
    if (( CURRENT == 2 )); then
        _describe command commands
        return
    fi
    local command=$words[2]
    shift words
    (( CURRENT-- ))
    case $command in
{}    esac
}}
_pgeist "$@"
)zsh",
                       commands, cases);
}

}  // namespace

std::string generated(std::string_view what) {
    if (what == "man") {
        return man_page();
    }
    if (what == "bash") {
        return bash_completion();
    }
    if (what == "zsh") {
        return zsh_completion();
    }
    if (what == "markdown") {
        return markdown();
    }
    if (what == "lint") {
        return lint::rules_markdown();
    }
    if (what == "methods") {
        return steps::methods_page();
    }
    throw usage_error(fmt::format("\"{}\" cannot be printed", what), "use man, markdown, lint, methods, bash or zsh");
}

}  // namespace pgeist::cli
