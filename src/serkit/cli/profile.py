"""`serkit profile`: what a model learns about one user."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from serkit.cli.options import AsJson, Format, Profiles, print_json
from serkit.cli.personal import naming, profile_of, store_in
from serkit.cli.predict import predict
from serkit.cli.progress import progress
from serkit.cli.streams import complain, say
from serkit.errors import AudioError, PacketError, ProfileError
from serkit.text import printable

app = typer.Typer(
    help="Teach a model one user's voice, and take it back.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the profile.")]
Audio = Annotated[list[str], typer.Argument(metavar="AUDIO...", help="Recordings.")]
Model = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", metavar="M", help="Path of the model's file, if it is not a shipped one."
    ),
]


@app.command()
def create(
    name: Name,
    model: Annotated[
        str,
        typer.Option("--model", "-m", metavar="M", help="Shipped model, or path of a file."),
    ] = "tiny",
    profiles: Profiles = None,
) -> None:
    """Create an empty profile of a model."""
    from serkit.runtime import load
    from serkit.runtime.profile import Profile

    store = store_in(profiles)
    path = store.create(name, Profile.create(load(model)).state)
    say(f"{path}: an empty profile of {model}")


@app.command()
def enrol(name: Name, audio: Audio, model: Model = None, profiles: Profiles = None) -> None:
    """Get to know a voice from any of its speech, without labels.

    A recording that cannot be read, or is unlike the training data, is reported on
    stderr; the others are still enrolled, and the exit code is 2.
    """
    profile = profile_of(name, profiles, model)
    profile.check_speakers()  # once, not for every recording
    seconds, failed = 0.0, False
    for file in progress(audio, total=len(audio), what="Enrolling"):
        try:
            seconds += profile.enrol(file)
        except (AudioError, PacketError, ProfileError) as error:
            complain(f"{file}: {error}")
            failed = True
    total = profile.state.heard.seconds
    say(f"{name}: {seconds:.1f} s of speech added; {total:.1f} s in all")
    if failed:
        raise typer.Exit(2)


@app.command()
def learn(
    name: Name,
    audio: Annotated[str, typer.Argument(metavar="AUDIO", help="A recording.")],
    label: Annotated[str, typer.Argument(metavar="LABEL", help="The emotion it has.")],
    model: Model = None,
    profiles: Profiles = None,
) -> None:
    """Correct the answer for a recording."""
    profile = profile_of(name, profiles, model)
    recognizer = profile.model.with_profile(profile)
    profile.state.index_of(label)
    with naming(audio):
        before = recognizer(audio).scores.get(label, 0.0)
        correction = profile.learn(audio, label)
        after = recognizer(audio).scores[label]
    say(
        f"{name}: correction {correction.id}: {audio} is {label}; "
        f"its probability was {before:.2f}, and is {after:.2f}"
    )


@app.command()
def forget(
    name: Name,
    audio: Annotated[
        str | None, typer.Argument(metavar="[AUDIO]", help="The recording that was learned.")
    ] = None,
    last: Annotated[bool, typer.Option("--last", help="The latest correction.")] = False,
    number: Annotated[
        int | None, typer.Option("--id", metavar="N", help="The correction of this number.")
    ] = None,
    model: Model = None,
    profiles: Profiles = None,
) -> None:
    """Take a correction back, as if it had never been learned."""
    profile = profile_of(name, profiles, model)
    with naming(audio):
        taken = profile.forget(audio, number=number, last=last)
    say(f"{name}: correction {taken.id} ({taken.label}) is taken back")


@app.command("predict")
def predict_with(
    context: typer.Context,
    name: Name,
    audio: Audio,
    model: Model = None,
    output: Annotated[Format, typer.Option("--format", "-f", help="How to print.")] = Format.table,
    profiles: Profiles = None,
) -> None:
    """Recognise the emotion of recordings, as `serkit predict --profile NAME`."""
    predict(context, audio, model=model, output=output, profile=name, profiles=profiles)


@app.command()
def stats(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A profile; all of them if not given.")
    ] = None,
    as_json: AsJson = False,
    profiles: Profiles = None,
) -> None:
    """Show what a profile holds, or list the profiles."""
    from serkit.adaptation.profile_file import load_profile

    store = store_in(profiles)
    if name is None:
        names = store.names()
        print_json(names) if as_json else say(*names or [f"{store.folder}: no profiles"])
        return
    path = store.existing(name)
    state = load_profile(path)
    values = {"name": name, **state.stats(), "file": str(path), "bytes": path.stat().st_size}
    if as_json:
        print_json(values)
        return
    listed = values.pop("listed")
    say(*(f"{key.replace('_', ' ')}: {value}" for key, value in values.items()))
    for one in listed:
        say(f"correction {one['id']}: {one['label']}" + " (old)" * one["needs_recording"])


@app.command("export")
def export_to(
    name: Name,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="F", help="File to write.")],
    profiles: Profiles = None,
) -> None:
    """Write a profile to a file, to be imported on another device."""
    from serkit.adaptation.profile_file import load_profile, save_profile
    from serkit.files import refuse_unwritable

    path = store_in(profiles).existing(name)
    refuse_unwritable(output, sources=[path])
    size = save_profile(load_profile(path), output)
    say(f"{output}: {size} bytes")


@app.command("import")
def import_from(
    file: Annotated[Path, typer.Argument(metavar="F", help="File of an exported profile.")],
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Its name here; default: the file's.")
    ] = None,
    profiles: Profiles = None,
) -> None:
    """Take over an exported profile under a new name."""
    from serkit.adaptation.profile_file import load_profile

    state = load_profile(file)
    say(f"{store_in(profiles).create(name or file.stem, state)}: a profile of {state.owner.name}")


@app.command()
def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    profiles: Profiles = None,
) -> None:
    """Remove a profile and all that it has learned."""
    store = store_in(profiles)
    path = store.existing(name)
    if not yes:
        typer.confirm(f"Remove {printable(path)}?", abort=True)
    store.delete(name)
    say(f"{path}: removed")
