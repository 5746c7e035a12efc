#include "control/screen.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define ENTER "\033[?1049h\033[?25l"
#define LEAVE "\033[?25h\033[?1049l"

static struct {
    bool live, raw, colour;
    struct termios before;
    char *picture;
    size_t len;
    FILE *stream;
} screen;

static const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};

// Only what a signal handler may call.
void tnd_screen_restore(void)
{
    if (screen.raw)
        tcsetattr(STDIN_FILENO, TCSANOW, &screen.before);
    if (screen.live) {
        ssize_t ignored = write(STDOUT_FILENO, LEAVE, sizeof LEAVE - 1);
        (void)ignored;
    }
    screen.raw = screen.live = false;
}

static void on_fatal(int signum)
{
    tnd_screen_restore();
    signal(signum, SIG_DFL);
    raise(signum);
}

static void read_keys_unechoed(void)
{
    struct termios t;

    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &screen.before) < 0)
        return;
    t = screen.before;
    t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    t.c_cc[VMIN] = 0;
    t.c_cc[VTIME] = 0;
    screen.raw = tcsetattr(STDIN_FILENO, TCSANOW, &t) == 0;
}

bool tnd_screen_open(void)
{
    const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
    bool terminal = isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb") != 0;

    screen.colour = terminal && !(no_colour && *no_colour);
    if (!terminal)
        return false;
    screen.live = true;
    read_keys_unechoed();
    atexit(tnd_screen_restore);
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
        signal(fatal[i], on_fatal);
    fputs(ENTER, stdout);
    fflush(stdout);
    return true;
}

void tnd_screen_close(void)
{
    fflush(stdout);
    tnd_screen_restore();
    free(screen.picture);
    screen.picture = NULL;
}

bool tnd_screen_live(void)
{
    return screen.live;
}

static struct winsize size_now(void)
{
    struct winsize w;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0 || w.ws_col < 20 || w.ws_row < 4)
        w = (struct winsize){.ws_col = 80, .ws_row = 24};
    return w;
}

unsigned tnd_screen_width(void)
{
    return size_now().ws_col;
}

unsigned tnd_screen_height(void)
{
    return size_now().ws_row;
}

FILE *tnd_screen_begin(void)
{
    screen.stream = open_memstream(&screen.picture, &screen.len);
    return screen.stream ? screen.stream : stdout;
}

// Every line is written over its predecessor and cleared to its end: nothing flickers.
static void paint(void)
{
    unsigned rows = tnd_screen_height(), row = 0;
    const char *at = screen.picture, *end;

    fputs("\033[H", stdout);
    while (at && (end = strchr(at, '\n')) && ++row < rows) {
        fwrite(at, 1, (size_t)(end - at), stdout);
        fputs("\033[K\r\n", stdout);
        at = end + 1;
    }
    fputs("\033[J", stdout);
}

void tnd_screen_end(void)
{
    if (!screen.stream)
        return;
    fclose(screen.stream);
    screen.stream = NULL;
    if (screen.live)
        paint();
    else
        fwrite(screen.picture, 1, screen.len, stdout);
    fflush(stdout);
    free(screen.picture);
    screen.picture = NULL;
}

int tnd_screen_key(void)
{
    unsigned char key;

    return screen.raw && read(STDIN_FILENO, &key, 1) == 1 ? key : 0;
}

const char *tnd_colour_on(enum tnd_colour c)
{
    static const char *const codes[] = {"",         "\033[32m", "\033[34m",
                                        "\033[31m", "\033[33m", "\033[1m"};

    return screen.colour ? codes[c] : "";
}

const char *tnd_colour_off(void)
{
    return screen.colour ? "\033[0m" : "";
}

enum tnd_colour tnd_colour_of_state(const char *state)
{
    if (strcmp(state, "up") == 0)
        return TND_GREEN;
    if (strcmp(state, "draining") == 0)
        return TND_BLUE;
    if (strcmp(state, "down") == 0)
        return TND_RED;
    return strcmp(state, "probing") == 0 ? TND_YELLOW : TND_PLAIN;
}
