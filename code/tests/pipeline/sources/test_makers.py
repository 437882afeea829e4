"""What kind of maker a text stands for, and which texts are people's names."""

from typing import get_args

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.sources.makers import (
    SIGNS,
    TABLE,
    Kind,
    kind_of_author,
    kind_of_step,
    read_makers,
)

KINDS = {
    "person": """
        Manual | manual | MANUAL | Manual segmentation | Manual (JC) | manual_JC
        Manual, rater no. 2 | ITK-SNAP | itksnap | ITK SNAP 3.8 | itk_snap | FSLeyes | fsleyes 1.3
        FSLView | 3D Slicer | 3DSlicer | Slicer 5.2 | MITK | MRIcron | MRIcroGL | Freeview | JIM
        Jim 7.0 | Mango | OsiriX MD | Horos | Amira | Seg3D
        Manually drawn | "Manual" | Segmented manually | seg-manual | Drawn by hand
        Manual segmentation by Jane Doe | Manual v2, 2021-07-25 | Manual mask of the spinal cord
        Segmented manually using ITK-SNAP 3.8 | Manual segmentation by an expert""",
    "model": """
        sct_deepseg | sct_deepseg -task seg_sc_contrast_agnostic | sct_deepseg spinalcord
        sct_deepseg_sc | SCT_DEEPSEG_SC -i t2.nii.gz -o t2_seg-manual.nii.gz | sct_deepseg_gm
        sct_propseg | nnU-Net | nnUNet | nnunetv2 | nnUNetv2_predict -i a -o b | nnUNet_predict
        TotalSegmentator | TotalSegmentator v2 | SAM | SAM2 | MedSAM | contrast-agnostic | softseg
        EPISeg | automatic | Automatic segmentation | ivadomed | MONAI | monai 1.3 | SpineNet
        U-Net | deep learning | sct_deepseg_sc without manual correction
        sct_deepseg_sc, not manually corrected | sct_propseg (no manual editing)
        automatic, without any manual correction | sct_deepseg_sc, not corrected
        sct_deepseg_sc 6.1 | SCT v6.1 sct_deepseg_sc | sct_deepseg_sc (SCT v5.8)
        spinalcordtoolbox/sct_deepseg | sct_deepseg lesion_ms | sct_deepseg_sc -c t2 -qc ~/qc
        sct_deepseg_sc -c t2 -centerline svm | nnUNetv2 3d_fullres fold 0 | nnU-Net prediction
        Automatic segmentation of the spinal cord | contrast-agnostic model""",
    "tool": """
        sct_crop_image | sct_crop_image -i a.nii.gz | sct_resample | sct_image | sct_maths -bin 0.5
        sct_register_multimodal | sct_register_to_template | sct_apply_transfo | fslmaths -bin
        fslmaths sub-1_T2w_seg-manual.nii.gz -bin out | fslroi | fslswapdim | fslreorient2std
        c3d | c3d -flip x | dcm2niix v1.0 | antsApplyTransforms | mri_convert | mrconvert
        nibabel | nilearn | SimpleITK | Manual QC | manual quality control""",
    "corrected": """
        Semi-automatic, manually corrected | semiautomatic (manually corrected)
        sct_deepseg_sc, manually corrected | nnU-Net + manual correction
        Automatic, edited by hand | sct_deepseg_sc corrected in ITK-SNAP
        Manual correction of sct_deepseg_sc | Manually corrected nnU-Net
        Manually corrected | manual correction | manual-correction.py | Corrected manually
        Corrected by hand | Hand-corrected | sct_deepseg_sc then manual correction by Jane Doe
        sct_deepseg_sc -i t2.nii.gz -c t2, manually corrected (JC) | sct_propseg + FSLeyes edits
        sct_deepseg_sc 5.8, manually edited with FSLeyes | nnU-Net output corrected by hand""",
    "unknown": """
        sct_deepseg_sc MRI corrected by hand | sct_deepseg_sc contrast manually adjusted
        my_tool | sct_deepseg_scx | sct_something | fslmathsx | manuals | Itk | x manual
        no manual correction | not manual | without manual correction | non-manual
        manual? | Manual correction needed | needs manual correction | sct_deepseg_sc (manual?)
        sct_deepseg_sc, needs manual correction | sct_deepseg_sc, to be manually corrected
        sct_deepseg_sc, manually corrected if necessary
        sct_propseg with manual initialization | sct_propseg, no manual correction, edited manually
        Manual initialization of sct_propseg | Manual, sct_deepseg_sc | fslmaths on sct_deepseg_sc
        c3d, then ITK-SNAP | Semi-automatic | Samuel | Sam Smith | SCT | FSL 6.0 | - | ?
        Spinal Cord Toolbox | script | Python | manual.nii.gz | Manual thresholding
        Manual: false | Manual=0 | Manual (SAM) | Manual segmentation, predicted by a network
        Manual segmentation by SCT | Manually corrected, then sct_deepseg_sc | my_tool fslmaths""",
}
NOT_DONE = """manual correction: false | manual_correction=False | manual correction: 0
    manually corrected: N | awaiting manual correction | prior to manual correction
    ready for manual correction | pre manual correction | for manual correction
    manual correction skipped | manual correction omitted | manual correction to follow
    manual correction in progress | lacks manual correction | zero manual corrections
    0 slices manually corrected | nothing manually corrected
    neither manually corrected nor checked
    trained on manually corrected masks | nnU-Net trained with manual corrections
    fine-tuned on hand-corrected data | centerline manually corrected | manual correction: NA
    -init-mask manually corrected centerline | using manually corrected masks
    w/o manual correction | manual correction 0/12 | yet to be manually corrected
    of manually corrected images | manual correction by nobody | manual correction (no)"""
NOT_UNDERSTOOD = """corrected | (fixed by JC) | touched up by JC | cleaned up by an expert
    retouched
    redrawn | edited JC | + expert correction | corrected in Photoshop | manuell korrigiert
    puis correction manuelle | polished by Jane | -edited JC | leakage erased | JC | by hand"""
NOTHING_CHANGED = """Manual; visual QC, nothing changed | Manual; inspected, no changes needed
    Manual; no correction needed | Manual; quality control only | Manual; not edited
    ITK-SNAP; viewed only, not edited | FSLeyes; used for visual inspection | ITK-SNAP; no changes
    FSLeyes; screenshot for QC | FSLeyes render | Manual verification | Manual rating
    Manual validation | Manual approval | Manual renaming | Manual conversion | Manual upload
    Manual selection | Manual labeling of discs | Manual visual QC | Manually reviewed
    Manually checked | Manually inspected | Manually approved | Manually cropped | Manual QA
    Manually registered | 3D Slicer Resample | 3D Slicer, converted nrrd to nii
    ITK-SNAP (conversion only) | MRIcroGL dcm2niix | Manual Verification | Manual: no"""
PEOPLE = """Jane | Jane Doe | J. Cohen-Adad | JC | Sam | Sam Smith | Jim Smith | jane@uni.org
    Müller, A.; Valošek, J. | A. Person, 2020 | J. Doe, K. Roe | Jan van der Berg | Dr. McDonald
    Jane Doe <jane@uni.org> | B. De Leener | Benjamin DeLeener | Jane Doe and John Roe | 李明
    O'Brien, K. | Rater 1 | Jane Doe, PhD | Manual"""
NO_PEOPLE = """sct | Sct | sct 5.8 | SCT v5 | fsl | ai | cnn | bet | FreeSurfer | fMRIPrep | ANTs
    SPM12 | deepseg | deepseg_sc | propseg | sct_analyze_lesion | nnUNetTrainer | unet3d
    neural network | Neural Network | Model | model prediction | algorithm | software | script
    python script | automatically generated | Automatically segmented | github-actions[bot]
    STAPLE | PAM50 | ? | - | TBD | todo | nobody | not manual | Not manually corrected | sct_maths
    Jane Doe (not corrected) | sct_deepseg_sc; Jane | Jane Doe, sct_deepseg_sc | Automatic + Jane
    bot@lab.org | Random Forest | Deep Learning"""


def names(texts: str) -> list[str]:
    return [name.strip() for name in texts.replace("\n", "|").split("|") if name.strip()]


@pytest.mark.parametrize(
    ("name", "kind"), [(n, kind) for kind in KINDS for n in names(KINDS[kind])]
)
def test_a_name_is_of_the_kind_of_all_its_words(name, kind):
    assert kind_of_step(name) == kind


@pytest.mark.parametrize("words", names(NOT_DONE))
def test_work_by_hand_that_was_not_done_leaves_a_models_mask_as_it_is(words):
    kinds = {kind_of_step(f"sct_deepseg_sc {words}"), kind_of_step("nnU-Net", words)}
    assert kinds <= {"model", "unknown"}


@pytest.mark.parametrize("words", names(NOT_UNDERSTOOD))
def test_words_that_may_be_of_a_persons_work_are_no_models(words):
    assert {kind_of_step(f"nnU-Net {words}"), kind_of_step("nnU-Net", words)} == {"unknown"}


@pytest.mark.parametrize("step", names(NOTHING_CHANGED))
def test_a_persons_step_that_changed_nothing_is_no_persons_work(step):
    assert kind_of_step(*step.split("; ")) in {"tool", "unknown"}


@pytest.mark.parametrize("author", names(PEOPLE))
def test_an_author_is_a_person_by_a_persons_name(author):
    assert kind_of_author(author) == "person"


@pytest.mark.parametrize("author", names(NO_PEOPLE))
def test_an_author_that_is_not_plainly_a_person_is_none(author):
    assert kind_of_author(author) in {"model", "unknown"}


@pytest.mark.parametrize(
    ("name", "description", "kind"),
    [
        ("sct_deepseg_sc", "", "model"),
        ("sct_deepseg_sc", "spinal cord of motion-corrected images", "model"),
        ("sct_deepseg_sc", "manually corrected by JC", "corrected"),
        ("sct_deepseg_sc", "corrected manually", "corrected"),
        ("sct_deepseg_sc", "then edited by hand", "corrected"),
        ("sct_deepseg_sc", "errors fixed with FSLeyes", "corrected"),
        ("sct_deepseg_sc", "without manual correction", "model"),
        ("sct_deepseg_sc", "No manual editing.", "model"),
        ("sct_deepseg_sc", "has not been manually corrected", "model"),
        ("sct_deepseg_sc", "needs manual correction", "unknown"),
        ("sct_deepseg_sc", "manually corrected?", "unknown"),
        ("sct_deepseg_sc", "some slices were manually corrected", "unknown"),
        ("sct_deepseg_sc", "shown in ITK-SNAP", "unknown"),
        ("sct_deepseg_sc", "corrected by JC", "unknown"),
        ("Manual", "Synthetic; stands in for a corrected mask", "person"),
        ("Manual", "the mask of sct_deepseg_sc, manually corrected", "corrected"),
        ("Manual", "seeds of sct_propseg", "unknown"),
        ("Manual", "not manually corrected", "unknown"),
        ("fslmaths", "thresholded at 0.5, then filled", "tool"),
        ("fslmaths", "of the manual mask", "unknown"),
        ("fslmaths", "-add x.nii.gz, merged with sct_deepseg_sc", "unknown"),
        ("my_tool", "manually corrected", "unknown"),
    ],
)
def test_what_is_said_of_work_by_hand_counts_and_is_not_guessed(name, description, kind):
    assert kind_of_step(name, description) == kind


@pytest.mark.parametrize(
    ("author", "description", "kind"),
    [
        ("sct_deepseg_sc", "", "model"),
        ("nnU-Net v2", "", "model"),
        ("Automatic", "", "model"),
        ("sct_deepseg_sc, manually corrected by Jane Doe", "", "corrected"),
        ("Jane Doe", "spinal cord segmentation", "person"),
        ("Jane Doe", "sct_deepseg_sc output", "unknown"),
        ("Jane Doe", "sct_deepseg_sc output, manually corrected", "corrected"),
        ("Jane Doe", "corrected", "unknown"),
    ],
)
def test_an_author_counts_with_what_is_said_of_the_mask(author, description, kind):
    assert kind_of_author(author, description) == kind


@pytest.mark.parametrize("name", ["SAM{}x", "FSL v{}x", "{}.ni", "Manual{}x", "hand{}x", "no{}x"])
@pytest.mark.parametrize("many", [". ", ".", " ", "1.", "no any "])
def test_a_long_name_takes_no_time(name, many):
    for times in (300, 200_000):
        kind_of_step(name.format(many * times), many * times)
        kind_of_author(name.format(many * times))


def test_the_table_has_every_kind_and_finds_its_own_entries():
    entries = read_makers(TABLE)
    assert {entry.kind for entry in entries} == SIGNS.keys()
    makers = {entry.name: entry.kind for entry in entries if entry.kind in get_args(Kind)}
    assert {name: kind_of_step(name) for name in makers} == makers


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("x\tpersons\n", "line 2: 'x' is of the kind 'persons'"),
        ("x\tperson\n\nX\tmodel\n", "line 4: 'X' stands there twice"),
        ("a-b\tperson\na b\tmodel\n", "line 3: 'a b' stands there twice"),
        ("-\tperson\n", "line 2: '-' is no name"),
    ],
)
def test_a_faulty_row_of_a_table_is_an_error_with_its_line(tmp_path, rows, said):
    (tmp_path / "makers.tsv").write_text(f"name\tkind\n{rows}")
    with pytest.raises(StudyError, match=said):
        read_makers(tmp_path / "makers.tsv")
