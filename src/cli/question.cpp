#include "cli/question.hpp"

#include <unistd.h>

namespace pgeist::cli {

bool can_ask() noexcept { return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1; }

bool ask(const std::string& question) {
    const std::string text = question + " [y/N] ";
    if (::write(STDERR_FILENO, text.data(), text.size()) < 0) {
        return false;
    }
    char first = '\0';
    char letter = '\0';
    // read(2) and not a stream: a signal ends it.
    while (::read(STDIN_FILENO, &letter, 1) == 1) {
        if (letter == '\n') {
            return first == 'y' || first == 'Y';
        }
        first = first == '\0' ? letter : first;
    }
    // No line has been ended: what is said next must not stand behind the question.
    return ::write(STDERR_FILENO, "\n", 1) < 0;
}

}  // namespace pgeist::cli
