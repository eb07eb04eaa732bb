#include "pgeist/ddl/splitter.hpp"

#include <algorithm>
#include <array>

#include "pgeist/ddl/lexer.hpp"

namespace pgeist::ddl {

namespace {

/// Length of the well-formed UTF-8 sequence at `at`; 0 if there is none.
std::size_t sequence_at(std::string_view text, std::size_t at) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(i < text.size() ? text[i] : 0); };
    const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80; };
    const unsigned first = byte(at);
    if (first < 0x80) {
        return 1;
    }
    if (first >= 0xC2 && first <= 0xDF) {
        return follows(at + 1) ? 2 : 0;
    }
    if (first >= 0xE0 && first <= 0xEF) {
        const bool fits = (first != 0xE0 || byte(at + 1) >= 0xA0) && (first != 0xED || byte(at + 1) < 0xA0);
        return fits && follows(at + 1) && follows(at + 2) ? 3 : 0;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        const bool fits = (first != 0xF0 || byte(at + 1) >= 0x90) && (first != 0xF4 || byte(at + 1) < 0x90);
        return fits && follows(at + 1) && follows(at + 2) && follows(at + 3) ? 4 : 0;
    }
    return 0;
}

/// Files in other encodings: their bytes above 127 become letters of names, literals or comments, as for the server.
void make_utf8(std::string& text) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = sequence_at(text, at);
        text[at] = length == 0 ? '_' : text[at];
        at += std::max<std::size_t>(length, 1);
    }
}

/// Turns offsets that only grow into lines and columns.
class ruler {
public:
    ruler(std::string_view text, std::vector<std::size_t>& line_starts) : text_(text), starts_(line_starts) {
        starts_.push_back(0);
    }

    place at(std::size_t offset) {
        for (; at_ < offset; ++at_) {
            const char now = text_[at_];
            const bool two = now == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n';
            if ((now == '\n' || now == '\r') && !two) {
                starts_.push_back(at_ + 1);
                column_ = 1;
            } else {
                column_ += (static_cast<unsigned char>(now) & 0xC0U) == 0x80 ? 0 : 1;
            }
        }
        return place{offset, starts_.size(), column_};
    }

private:
    std::string_view text_;
    std::vector<std::size_t>& starts_;
    std::size_t at_ = 0;
    std::size_t column_ = 1;
};

/// psql's commands that send what has been written so far, as a semicolon does.
constexpr std::array senders{"\\g", "\\gx", "\\gset", "\\gexec", "\\gdesc", "\\crosstabview", "\\watch", "\\bind"};

class cutter {
public:
    explicit cutter(script& into)
        : into_(into), text_(into.text), ruler_(into.text, into.line_starts), lexer_(into.text) {}

    void run() {
        token now;
        while (lexer_.next(now)) {
            if (now.kind == token_kind::comment) {
                add_comment(now);
            } else if (now.is_sign('\\')) {
                meta_command(now.begin);
            } else if (now.is_sign(';') && parentheses_ == 0 && bodies_ == 0) {
                end_piece(now.begin, now.end);
            } else {
                add(now);
            }
        }
        if (open_) {
            unclosed_ = unclosed_.empty() && parentheses_ > 0 ? "parenthesis" : unclosed_;
            unclosed_ = unclosed_.empty() && bodies_ > 0 ? "BEGIN" : unclosed_;
            end_piece(last_end_, last_end_);
        }
        ruler_.at(text_.size());
    }

private:
    void add_comment(const token& now) {
        comment each;
        each.text = std::string(text_.substr(now.begin, now.end - now.begin));
        each.begin = ruler_.at(now.begin);
        const std::size_t line = into_.line_starts[each.begin.line - 1];
        each.alone = text_.substr(line, now.begin - line).find_first_not_of(" \t") == std::string_view::npos;
        each.end = now.end;
        each.end_line = ruler_.at(now.end).line;
        into_.comments.push_back(std::move(each));
        if (!now.closed) {
            unclosed_ = "comment";
            if (!open_) {  // what stands in it is no statement, but cannot be told from one either
                begin(now.begin);
                last_end_ = now.end;
            }
        }
    }

    void begin(std::size_t at) {
        open_ = true;
        current_ = piece();
        current_.begin = ruler_.at(at);
        words_.clear();
    }

    void add(const token& now) {
        if (!open_) {
            begin(now.begin);
        }
        last_end_ = now.end;
        if (now.is_sign('(') || now.is_sign(')')) {
            parentheses_ = std::max(0, parentheses_ + (now.is_sign('(') ? 1 : -1));
        }
        count_bodies(now);
        if (!now.closed) {
            unclosed_ = now.kind == token_kind::quoted ? "identifier" : "string";
        }
        if (words_.size() < 64) {
            words_.push_back(now);
        }
    }

    /// The body of an SQL function has statements of its own: BEGIN ATOMIC … END. psql counts the same way.
    void count_bodies(const token& now) {
        if (now.kind != token_kind::word || parentheses_ > 0 || !makes_function()) {
            return;
        }
        if (now.text == "atomic" && !words_.empty() && words_.back().is("begin") && bodies_ == 0) {
            bodies_ = 1;
        } else if (bodies_ > 0 && (now.text == "case" || now.text == "begin")) {
            ++bodies_;
        } else if (bodies_ > 0 && now.text == "end") {
            --bodies_;
        }
    }

    [[nodiscard]] bool makes_function() const {
        if (words_.size() < 2 || !words_[0].is("create")) {
            return false;
        }
        const std::size_t at = words_[1].is("or") ? 3 : 1;
        return words_.size() > at && (words_[at].is("function") || words_[at].is("procedure"));
    }

    [[nodiscard]] bool copies_from_stdin() const {
        if (words_.empty() || !words_[0].is("copy")) {
            return false;
        }
        for (std::size_t at = 1; at + 1 < words_.size(); ++at) {
            if (words_[at].is("from") && words_[at + 1].is("stdin")) {
                return true;
            }
        }
        return false;
    }

    void end_piece(std::size_t text_end, std::size_t after) {
        if (open_) {
            current_.end = last_end_;
            current_.text = std::string(text_.substr(current_.begin.offset, last_end_ - current_.begin.offset));
            current_.end_line = ruler_.at(text_end).line;
            current_.open = unclosed_;
            into_.pieces.push_back(std::move(current_));
        }
        const bool data = open_ && after > text_end && copies_from_stdin();
        open_ = false;
        parentheses_ = 0;
        bodies_ = 0;
        unclosed_.clear();
        last_end_ = after;
        if (data) {
            pass_over_data(after);
        }
    }

    /// What follows the line of the COPY, up to a line of `\.`.
    void pass_over_data(std::size_t from) {
        std::size_t line = text_.find('\n', from);
        while (line != std::string_view::npos) {
            const std::string_view rest = text_.substr(line + 1);
            line = text_.find('\n', line + 1);
            if (rest.starts_with("\\.\n") || rest.starts_with("\\.\r") || rest == "\\.") {
                break;
            }
        }
        lexer_.go_to(line == std::string_view::npos ? text_.size() : line);
    }

    void meta_command(std::size_t at) {
        const std::size_t end = std::min(text_.find_first_of("\r\n", at), text_.size());
        std::string_view line = text_.substr(at, end - at);
        while (!line.empty() && (line.back() == ' ' || line.back() == '\t')) {
            line.remove_suffix(1);
        }
        const std::string_view name = line.substr(0, line.find_first_of(" \t;"));
        lexer_.go_to(end);
        if (open_ && std::find(senders.begin(), senders.end(), name) != senders.end()) {
            current_.ended_by = name;
            end_piece(at, at);
            return;
        }
        if (open_) {  // within a statement psql carries it out before; the statement cannot be known
            last_end_ = end;
            return;
        }
        piece each;
        each.kind = piece_kind::meta_command;
        each.text = std::string(line);
        each.begin = ruler_.at(at);
        each.end = at + line.size();
        each.end_line = each.begin.line;
        into_.pieces.push_back(std::move(each));
    }

    script& into_;
    std::string_view text_;
    ruler ruler_;
    lexer lexer_;
    piece current_;
    std::vector<token> words_;  // of the current statement, as many as may matter
    bool open_ = false;
    int parentheses_ = 0;
    int bodies_ = 0;
    std::string unclosed_;
    std::size_t last_end_ = 0;
};

}  // namespace

script split(std::string_view file) {
    script into;
    if (file.starts_with("\xFF\xFE") || file.starts_with("\xFE\xFF")) {
        into.problem = "it is UTF-16; save it as UTF-8";
    } else if (file.find('\0') != std::string_view::npos) {
        into.problem = "it has zero bytes in it: it is no SQL, or not UTF-8";
    }
    if (!into.problem.empty()) {
        return into;
    }
    if (file.starts_with("\xEF\xBB\xBF")) {
        file.remove_prefix(3);
    }
    into.text = file;
    make_utf8(into.text);
    cutter(into).run();
    return into;
}

}  // namespace pgeist::ddl
